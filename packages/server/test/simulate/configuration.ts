import type { EventOf } from './history.ts';
import { endpointId, endpointRow } from './operators.ts';
import type { Plan } from './plan.ts';

/** What is known of an endpoint at a time: undefined where a change was under way. */
export type Known = {
  readonly exists: boolean | undefined;
  readonly disabled: boolean | undefined;
  readonly url: string | undefined;
  readonly applicationId: string;
  readonly eventTypes: readonly string[] | null;
};

/**
 * The configuration as those know it who changed it: a change that was answered before `fromMs` is in
 * force, one that was not yet asked for at `toMs` is not, between the two it may be.
 */
export const createConfiguration = (
  plan: Plan,
  changes: readonly EventOf<'change'>[],
): ((endpointId: string, fromMs: number, toMs: number) => Known) => {
  const plans = new Map(
    plan.endpoints.map((endpoint, index) => [endpointId(index), endpointRow(index, endpoint)]),
  );
  const late = new Set(plan.endpoints.flatMap(({ isLate }, index) => (isLate ? [endpointId(index)] : [])));
  return (id, fromMs, toMs) => {
    const row = plans.get(id)!;
    let exists: boolean | undefined = !late.has(id);
    let disabled: boolean | undefined = false;
    let url: string | undefined = row.url;
    for (const change of changes) {
      if (change.endpointId !== id || change.sentMs > toMs) continue;
      const isSure = change.endedMs !== null && change.endedMs <= fromMs;
      switch (change.to) {
        case 'created':
        case 'deleted':
          // What was there already is not created again.
          if (change.to === 'deleted' || exists !== true)
            exists = isSure ? change.to === 'created' : undefined;
          break;
        case 'disabled':
        case 'enabled':
          disabled = isSure ? change.to === 'disabled' : undefined;
          break;
        case 'moved':
          url = isSure ? change.url! : undefined;
          break;
        default:
          change.to satisfies never;
      }
    }
    return { exists, disabled, url, applicationId: row.applicationId, eventTypes: row.eventTypes ?? null };
  };
};
