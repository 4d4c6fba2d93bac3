import { aboutOf, tellOf, type Watching } from './attempt.ts';
import type { Inbox } from './inbox.ts';
import { pacer } from './pacer.ts';

export type House = {
  readonly inbox: Inbox;
  readonly token: string;
  readonly leaseMs: number;
  readonly maxAttempts: number;
  readonly watching: Watching;
  readonly running: () => ReadonlyMap<string, { readonly abort: AbortController }>;
  readonly onError: (error: unknown) => void;
};

const REPORT_MS = 10_000;
const PURGE_MS = 60_000;
const PURGE_AT_ONCE = 1_000;

/** Beside the work, three times a lease: renews what runs, frees what dead workers held, reports, purges. */
export const keepHouse = (house: House): { readonly stop: () => Promise<void> } => {
  const { inbox, token, leaseMs, maxAttempts, watching, onError } = house;
  const { jobs, name } = inbox;
  const pace = pacer();
  const tell = tellOf(watching);

  const renew = async (): Promise<void> => {
    const running = house.running();
    if (running.size === 0) return;
    const ids = [...running.keys()];
    const held = await jobs.renew(token, leaseMs, ids);
    for (const id of ids)
      if (!held.has(id)) running.get(id)?.abort.abort(new Error('Another worker holds the event now'));
  };
  const reclaim = async (): Promise<void> => {
    for (const { event, attempt } of await jobs.reclaim(maxAttempts))
      tell({ ...aboutOf(event), kind: 'dead', id: event.id, attempts: attempt });
  };
  const report = async (): Promise<void> => {
    if (watching.seen) tell({ kind: 'inbox', source: name, ...(await inbox.counts()) });
  };
  const every = (ms: number, step: () => Promise<unknown>): (() => Promise<void>) => {
    let lastMs: number | null = null;
    return async () => {
      if (lastMs !== null && performance.now() - lastMs < ms) return;
      lastMs = performance.now();
      await step();
    };
  };
  const steps = [renew, reclaim, every(REPORT_MS, report), every(PURGE_MS, () => jobs.purge(PURGE_AT_ONCE))];

  const loop = async (): Promise<void> => {
    while (!pace.stopped()) {
      for (const step of steps)
        try {
          await step();
        } catch (error) {
          onError(error);
        }
      await pace.wait(leaseMs / 3);
    }
  };
  const looping = loop();
  return {
    stop: () => {
      pace.stop();
      return looping;
    },
  };
};
