import { checkAcceptance } from './check-acceptance.ts';
import { checkDeliveries } from './check-deliveries.ts';
import { checkOrder } from './check-order.ts';
import { checkRates } from './check-rates.ts';
import { checkTimeliness } from './check-timeliness.ts';
import type { RunResult } from './run.ts';

/** What is promised; each name is a row of docs/reliability.md. */
export type Rule =
  | 'lost'
  | 'doubled'
  | 'altered'
  | 'fan-out'
  | 'phantom'
  | 'fence'
  | 'ownership'
  | 'freed'
  | 'unexplained'
  | 'states'
  | 'ends'
  | 'attempts'
  | 'schedule'
  | 'overlap'
  | 'duplicate'
  | 'configuration'
  | 'concurrency'
  | 'rate'
  | 'order'
  | 'late'
  | 'stuck'
  | 'broken'
  /** Two runs of one seed differ. */
  | 'determinism'
  /** A run that never ends. */
  | 'hung';

export type Violation = { readonly rule: Rule; readonly atMs: number; readonly detail: string };

/**
 * Everything that is wrong with a run. Knows only what was seen from outside and what the database
 * committed; shares nothing with the code that it judges.
 */
export const check = (result: RunResult): readonly Violation[] => [
  ...checkDeliveries(result),
  ...checkAcceptance(result),
  ...checkRates(result),
  ...checkOrder(result),
  ...checkTimeliness(result),
  ...result.left.map((detail): Violation => ({ rule: 'stuck', atMs: Infinity, detail })),
  ...result.history.of('broken').map(({ atMs, detail }): Violation => ({ rule: 'broken', atMs, detail })),
];
