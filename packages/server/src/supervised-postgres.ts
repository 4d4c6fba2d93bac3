import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { EmbeddedError } from './embedded/errors.ts';
import type { PostmasterExit } from './embedded/postmaster.ts';
import { startEmbedded, type EmbeddedOptions, type EmbeddedPostgres } from './embedded/start.ts';

export type SupervisedPostgres = Pick<EmbeddedPostgres, 'url' | 'port' | 'version' | 'dataDir'> & {
  /** Ends it for good, also in the middle of a restart. */
  readonly stop: () => Promise<void>;
  /** Rejects when the database ended and could not be brought back under its address. */
  readonly lost: Promise<never>;
};

const FIRST_PORT = 15_433;
const PORTS = 2_000;

/**
 * The port that a data directory's database prefers: its own, so that no other Posthorn of this machine,
 * starting just when this database is down, takes it.
 *
 * @param dataDir Absolute.
 */
export const portOf = (dataDir: string): number =>
  FIRST_PORT + (createHash('sha256').update(dataDir).digest().readUInt32BE() % PORTS);

const never = new Promise<never>(() => {});

const words = (exit: PostmasterExit): string => (exit.kind === 'died' ? exit.reason : 'it was stopped');

/**
 * The embedded PostgreSQL, started again when it ends by itself (killed, out of memory): the server's
 * connections come back by themselves, for port and password stay the same.
 */
export const superviseEmbedded = async (options: EmbeddedOptions): Promise<SupervisedPostgres> => {
  const stopping = new AbortController();
  const settings = { preferredPort: portOf(resolve(options.dataDir)), ...options };
  const first = await startEmbedded(settings);
  const restart = {
    ...settings,
    signal:
      options.signal === undefined ? stopping.signal : AbortSignal.any([options.signal, stopping.signal]),
  };
  let current: Promise<EmbeddedPostgres> = Promise.resolve(first);

  const watch = async (): Promise<never> => {
    for (;;) {
      const exit = await (await current).exited;
      if (restart.signal.aborted) return never;
      options.log(`PostgreSQL ended unexpectedly (${words(exit)}); starting it again`);
      current = startEmbedded(restart);
      const { url, stop } = await current;
      if (url !== first.url) {
        await stop();
        throw new EmbeddedError(
          'failed',
          `PostgreSQL ended, and its port ${first.port} was taken by another program before it was up again. Start Posthorn again.`,
        );
      }
      options.log('PostgreSQL is up again');
    }
  };
  const lost = watch().catch((error: unknown) => {
    // A stop may cut a restart short; that is no loss.
    if (restart.signal.aborted) return never;
    throw error;
  });
  // Whoever runs the server waits for it; until then a rejection is not unhandled.
  lost.catch(() => {});
  return {
    url: first.url,
    port: first.port,
    version: first.version,
    dataDir: first.dataDir,
    lost,
    stop: async () => {
      stopping.abort(new Error('PostgreSQL is to end'));
      // A restart that failed has left nothing to end.
      await (await current.catch(() => null))?.stop();
    },
  };
};
