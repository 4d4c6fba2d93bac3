import { rm } from 'node:fs/promises';
import { devSecretsPath, devUrlPath } from './cli/dev-secrets.ts';
import type { ExitCode, Streams } from './cli/output.ts';
import { layout } from './embedded/places.ts';
import { stopLeftover } from './embedded/start.ts';

/** `posthorn dev --reset`: removes the development data. Rejects with errors of the file system. */
export const wipe = async (
  databaseUrl: string | null,
  dataDir: string,
  random: (bytes: number) => Buffer,
  streams: Pick<Streams, 'err'>,
): Promise<ExitCode> => {
  if (databaseUrl !== null) {
    streams.err(
      'posthorn: --reset wipes the embedded database, but DATABASE_URL names one of your own. Unset it, or empty that one yourself.\n',
    );
    return 2;
  }
  const leftover = await stopLeftover({ dataDir, random });
  if (leftover.kind === 'held') {
    streams.err(`posthorn: process ${leftover.pid} is using ${dataDir}. Stop it first, then reset.\n`);
    return 1;
  }
  // Only what is ours: somebody may have named a directory that holds other things.
  const { cluster, password, record, log } = layout(dataDir);
  for (const path of [cluster, password, record, log, devSecretsPath(dataDir), devUrlPath(dataDir)])
    await rm(path, { recursive: true, force: true });
  return 0;
};
