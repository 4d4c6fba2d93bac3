import { Worker } from 'node:worker_threads';
import type { SeedResult, Shrunk } from './one-seed.ts';

export type WorkerData = { readonly plant: string | null; readonly progress: Int32Array };
export type ToWorker =
  | { readonly kind: 'run'; readonly seeds: readonly number[]; readonly twice: readonly number[] }
  | { readonly kind: 'shrink'; readonly seed: number };
export type FromWorker =
  | { readonly kind: 'idle' }
  | { readonly kind: 'ran'; readonly result: SeedResult }
  | { readonly kind: 'shrunk'; readonly shrunk: Shrunk };

export type Campaign = {
  readonly from: number;
  readonly count: number;
  readonly plant: string | null;
  readonly workers: number;
  /** So many of the first seeds are run twice and must give the same history. */
  readonly twice: number;
  readonly onProgress?: (done: number) => void;
};

export type CampaignResult = {
  /** Seeds that were run to their end. */
  readonly done: number;
  readonly steps: number;
  /** The first seed that was found to fail; the campaign ends with it. */
  readonly failure: SeedResult | null;
};

const CHUNK = 16;
const HUNG_MS = 60_000;

const start = (plant: string | null): { readonly worker: Worker; readonly progress: Int32Array } => {
  const progress = new Int32Array(new SharedArrayBuffer(4));
  const workerData: WorkerData = { plant, progress };
  return { worker: new Worker(new URL('worker.ts', import.meta.url), { workerData }), progress };
};

/** Runs seeds on all workers until one fails or all held. */
export const runCampaign = (campaign: Campaign): Promise<CampaignResult> =>
  new Promise((resolve, reject) => {
    const { from, count, plant } = campaign;
    const end = from + count;
    let next = from;
    let done = 0;
    let steps = 0;
    let active = Math.min(campaign.workers, Math.ceil(count / CHUNK));
    const workers = Array.from({ length: active }, () => start(plant));
    const watches: NodeJS.Timeout[] = [];
    const finish = (failure: SeedResult | null): void => {
      for (const watch of watches) clearInterval(watch);
      void Promise.all(workers.map(({ worker }) => worker.terminate())).then(() =>
        resolve({ done, steps, failure }),
      );
    };
    for (const { worker, progress } of workers) {
      let at = next;
      let seen = -1;
      let seenMs = Date.now();
      // A loop that never ends cannot say so itself.
      watches.push(
        setInterval(() => {
          const now = Atomics.load(progress, 0);
          if (now !== seen) {
            seen = now;
            seenMs = Date.now();
          } else if (Date.now() - seenMs > HUNG_MS) {
            const detail = `no end within ${HUNG_MS / 1000} s: a loop that never lets go`;
            finish({ seed: at, violations: [{ rule: 'hung', atMs: Infinity, detail }], steps: 0 });
          }
        }, 1_000),
      );
      worker.on('error', reject);
      worker.on('message', (message: FromWorker) => {
        switch (message.kind) {
          case 'idle': {
            if (next >= end) {
              if (--active === 0) finish(null);
              return;
            }
            at = next;
            const seeds = Array.from({ length: Math.min(CHUNK, end - next) }, (_, index) => next + index);
            next += seeds.length;
            const twice = seeds.filter((seed) => seed < from + campaign.twice);
            worker.postMessage({ kind: 'run', seeds, twice } satisfies ToWorker);
            return;
          }
          case 'ran':
            done++;
            at = message.result.seed + 1;
            steps += message.result.steps;
            if (message.result.violations.length > 0) finish(message.result);
            else campaign.onProgress?.(done);
            return;
          case 'shrunk':
            return;
          default:
            message satisfies never;
        }
      });
    }
  });

/** The smallest run that fails as the seed does. */
export const shrinkFailure = (seed: number, plant: string | null): Promise<Shrunk> =>
  new Promise((resolve, reject) => {
    const { worker } = start(plant);
    worker.on('error', reject);
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'idle') worker.postMessage({ kind: 'shrink', seed } satisfies ToWorker);
      if (message.kind === 'shrunk') void worker.terminate().then(() => resolve(message.shrunk));
    });
  });
