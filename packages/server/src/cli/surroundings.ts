import { openProcessStreams } from './output.ts';
import { onStopRequest, type StopRequest } from './signals.ts';
import type { Surroundings } from './tool.ts';

/** The process's own terminal and signals; the rest is handed in. */
export const processSurroundings = (
  given: Pick<Surroundings, 'clock' | 'random' | 'env' | 'version' | 'dataDir'>,
): Surroundings => {
  let stop: StopRequest | null = null;
  return {
    ...given,
    streams: openProcessStreams(),
    terminal: {
      input: process.stdin.isTTY,
      output: process.stdout.isTTY,
      errors: process.stderr.isTTY,
    },
    readInput: async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
      return Buffer.concat(chunks);
    },
    stop: () => (stop ??= onStopRequest(given.clock.monotonicMs)),
  };
};
