import { parentPort, workerData } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerData } from './pool.ts';
import { plant } from './plant-loader.ts';

const { plant: name, progress } = workerData as WorkerData;
if (name !== null) plant(name);
// Only now: what is loaded from here on has the bug.
const { runSeed, shrinkSeed, watchRejections } = await import('./one-seed.ts');
watchRejections();

const say = (message: FromWorker): void => parentPort!.postMessage(message);

const serve = async (message: ToWorker): Promise<void> => {
  if (message.kind === 'shrink') {
    say({ kind: 'shrunk', shrunk: await shrinkSeed(message.seed) });
    return;
  }
  for (const seed of message.seeds) {
    Atomics.add(progress, 0, 1);
    say({ kind: 'ran', result: await runSeed(seed, message.twice.includes(seed)) });
  }
  say({ kind: 'idle' });
};

parentPort!.on('message', (message: ToWorker) => void serve(message));
say({ kind: 'idle' });
