import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { confirmed, lookEverywhere } from '../../src/auditing.ts';
import { createAuditStore } from '../../src/store/audit.ts';
import { openDatabase } from '../../src/store/postgres.ts';
import type { PlantedBug } from '../crash/planted.ts';
import { withEnds } from '../crash/with-scenario.ts';
import { temporaryDirectory } from '../embedded-starter.ts';
import type { Fault } from './fault.ts';
import { unmet } from './needs.ts';
import { countsOf, type Result } from './result.ts';
import { openWorld, type World } from './world.ts';

export type Asked = {
  /** How long the harm goes on. */
  readonly seconds: number;
  readonly seed: string;
  /** The commit that an upgrade begins with; null: this one. */
  readonly old: string | null;
  /** A bug in every node; null: none. */
  readonly plant: PlantedBug | null;
  readonly log: (line: string) => void;
};

const DRAIN_MS = 120_000;
/** The retries of the nodes under test, and their leases, with slack. */
const AUDITED = { retryWindowMs: 60_000, leaseMs: 10_000 };
/** The auditor leaves the newest messages to settle down; by now they have. */
const SETTLED_MS = 120_000;
const STATEMENT_MS = 30_000;
const CONFIRM_MS = 10_000;

/** Everything accounted for, by the product's own auditor: its findings, as texts. */
const audit = async (databaseUrl: string): Promise<string[]> => {
  const database = openDatabase({
    url: databaseUrl,
    applicationName: 'torture audit',
    size: 1,
    statementTimeoutMs: STATEMENT_MS,
    lockTimeoutMs: STATEMENT_MS,
    connectTimeoutMs: STATEMENT_MS,
    plans: 'pinned',
  });
  try {
    const look = () => lookEverywhere(createAuditStore(database), AUDITED, Date.now() + SETTLED_MS);
    const first = await look();
    // As the product does: what is found twice is not in passing.
    if (first.length > 0) await pause(CONFIRM_MS);
    const findings = first.length === 0 ? [] : confirmed(first, await look());
    return findings.map(({ rule, subject, detail }) => `audit ${rule}: ${subject}: ${detail}`);
  } finally {
    await database.close();
  }
};

const conclude = async (fault: Fault, world: World, note: string, seconds: () => number): Promise<Result> => {
  const refused = world.scenario.producers().reduce((sum, producer) => sum + producer.refusals().length, 0);
  const verdict = await world.scenario.conclude(DRAIN_MS);
  const counts = countsOf(verdict, refused);
  const findings = await audit(world.databaseUrl);
  const noteAfter = (await fault.after?.(world)) ?? '';
  const others = findings.length === 0 ? counts.others : { ...counts.others, audit: findings.length };
  const problems = [verdict.problems, ...findings].filter((text) => text !== '').join('\n');
  return {
    ...counts,
    others,
    fault: fault.name,
    end: problems === '' ? 'held' : 'broke',
    seconds: seconds(),
    note: [note, noteAfter].filter((text) => text !== '').join('; '),
    problems,
  };
};

/** Does one fault to a world of its own and tells what came of it. Never rejects. */
export const runFault = async (fault: Fault, { seconds, seed, old, plant, log }: Asked): Promise<Result> => {
  for (const need of fault.needs ?? []) {
    const why = unmet(need, log);
    if (why !== null) return { fault: fault.name, end: 'skipped', why };
  }
  const startedMs = performance.now();
  const taken = (): number => (performance.now() - startedMs) / 1_000;
  let result: Result | null = null;
  try {
    await withEnds(async (later) => {
      const folder = await temporaryDirectory();
      later(() => rm(folder, { recursive: true, force: true }));
      const asked = {
        seconds,
        seed: `${seed} ${fault.name}`,
        log,
        folder,
        plant,
        old: fault.isUpgrade === true ? old : null,
      };
      const world = await openWorld({ ...asked, ...fault.world?.(asked) }, later);
      log(`${fault.name}: ${fault.does}`);
      result = await conclude(fault, world, await fault.harm(world), taken);
    });
  } catch (error) {
    const { name, message, stack } = error as Error;
    const why = name === 'Broken' ? `broken promise: ${message}` : (stack ?? message);
    // What went wrong with taking it down hides nothing that was found before.
    if (result === null || (result as Result).end === 'held')
      return { fault: fault.name, end: 'failed', why, seconds: taken() };
  }
  return result!;
};
