import type { ExitCode } from './cli/output.ts';
import type { StopRequest } from './cli/signals.ts';
import { superviseEmbedded, type SupervisedPostgres } from './supervised-postgres.ts';

export type Database = { readonly url: string; readonly embedded: SupervisedPostgres | null };

export type DatabaseWish = {
  /** null: the embedded one. */
  readonly databaseUrl: string | null;
  readonly dataDir: string;
  readonly random: (count: number) => Buffer;
  readonly say: (line: string) => void;
  readonly stop: StopRequest;
};

/** Runs `work` with the database of the settings; an embedded one is up for as long as that takes. */
export const withDatabase = async (
  wish: DatabaseWish,
  work: (database: Database) => Promise<ExitCode>,
): Promise<ExitCode> => {
  if (wish.databaseUrl !== null) return work({ url: wish.databaseUrl, embedded: null });
  const { dataDir, random, say, stop } = wish;
  const starting = superviseEmbedded({ dataDir, random, log: say, signal: stop.signal });
  // Loaded in the meantime; what goes wrong there, the start of the server meets again.
  import('./server.ts').catch(() => {});
  let embedded: SupervisedPostgres;
  try {
    embedded = await starting;
  } catch (error) {
    if (error === stop.signal.reason) return 0;
    throw error;
  }
  try {
    return await work({ url: embedded.url, embedded });
  } finally {
    await embedded.stop();
  }
};
