import { setTimeout as wait } from 'node:timers/promises';
import { confirmed, lookEverywhere } from './auditing.ts';
import { tellAudit } from './cli/audit.ts';
import type { ExitCode, Streams } from './cli/output.ts';
import { printIssues } from './cli/output.ts';
import { rotateSecrets } from './cli/secrets-rotate.ts';
import type { Random } from './clock.ts';
import type { Config } from './config.ts';
import type { Finding } from './domain/audit.ts';
import { retryWindowSeconds } from './outcome/retry-policy.ts';
import { createAuditStore } from './store/audit.ts';
import { checkDatabase } from './store/check-database.ts';
import { checkSeal, renewSealCheck } from './store/check-seal.ts';
import { databaseFactsOf } from './store/database-facts.ts';
import { openDatabase, type Database } from './store/postgres.ts';
import { countEndpoints, resealEndpoints } from './store/reseal.ts';
import { createSealer } from './store/sealed.ts';
import { dispatchSettings } from './wiring.ts';
import { withDatabase, type DatabaseWish } from './with-database.ts';

/** Beside a running server: few connections, and statements that are cut off before they hold anybody up. */
const CONNECTIONS = 4;
const STATEMENT_MS = 30_000;
const LOCK_MS = 10_000;

export type Upkeep = {
  readonly config: Config;
  readonly wish: DatabaseWish;
  readonly random: Random;
  readonly streams: Streams;
  readonly asJson: boolean;
};

/** With a database that can be used and has this program's schema. */
const onDatabase = async (
  { config, wish, streams }: Upkeep,
  work: (database: Database) => Promise<ExitCode>,
): Promise<ExitCode> => {
  if (config.databaseUrl === null && !config.embedded) {
    const problem =
      'is not set; name the PostgreSQL of the servers, or set POSTHORN_EMBEDDED=true for the embedded one';
    return printIssues(streams, [{ name: 'DATABASE_URL', problem }]);
  }
  return withDatabase(wish, ({ url }) => onUrl(url, streams, work));
};

const onUrl = async (
  url: string,
  streams: Streams,
  work: (database: Database) => Promise<ExitCode>,
): Promise<ExitCode> => {
  const unusable = (await checkDatabase(url)).filter(({ kind }) => kind === 'unusable');
  if (unusable.length > 0) return printIssues(streams, unusable);
  const database = openDatabase({
    url,
    applicationName: 'posthorn upkeep',
    size: CONNECTIONS,
    statementTimeoutMs: STATEMENT_MS,
    lockTimeoutMs: LOCK_MS,
    connectTimeoutMs: LOCK_MS,
    plans: 'pinned',
  });
  try {
    const { schemaVersion, programVersion } = await databaseFactsOf(database);
    if (schemaVersion === null || schemaVersion < programVersion) {
      const problem = `has schema ${schemaVersion ?? 'of nobody'}, and this program needs ${programVersion}: run posthorn migrate`;
      return printIssues(streams, [{ name: 'DATABASE_URL', problem }]);
    }
    return await work(database);
  } catch (error) {
    const { name, message } = error as Error;
    if (name !== 'StoreUnavailable' && name !== 'StoreRejected') throw error;
    streams.err(`posthorn: the database failed: ${message}. What is done stays done; run this again.\n`);
    return 1;
  } finally {
    await database.close();
  }
};

/** `posthorn secrets rotate`. */
const rotate = async (task: Upkeep): Promise<ExitCode> => {
  const { config, streams } = task;
  const { mainSecret } = config;
  if (mainSecret === null) {
    const problem = 'is not set; give the new one, and the earlier one as POSTHORN_MAIN_SECRET_OLD';
    return printIssues(streams, [{ name: 'POSTHORN_MAIN_SECRET', problem }]);
  }
  const sealer = createSealer([mainSecret, ...config.mainSecretsOld], task.random.bytes);
  return onDatabase(task, async (database) => {
    if ((await checkSeal(database, sealer)) === 'other_secret') {
      const problem =
        'does not have the main secret that the servers of this database use; add it, so that it can be read once more';
      return printIssues(streams, [{ name: 'POSTHORN_MAIN_SECRET_OLD', problem }]);
    }
    return rotateSecrets(
      {
        total: () => countEndpoints(database),
        reseal: (cursor, limit) => resealEndpoints(database, sealer, cursor, limit),
        finish: () => renewSealCheck(database, sealer),
      },
      task.asJson,
      streams,
    );
  });
};

/** Longer than a partition takes from node to node, and a sweep to come round. */
const CONFIRM_MS = 15_000;

/** `posthorn audit`. Exit code 1 where anything is found. */
const audit = async (task: Upkeep): Promise<ExitCode> => {
  const { config, streams } = task;
  return onDatabase(task, async (database) => {
    const { leaseMs, retryPolicy } = dispatchSettings(config, false);
    const settings = { leaseMs, retryWindowMs: retryWindowSeconds(retryPolicy) * 1000 };
    const store = createAuditStore(database);
    const look = async (): Promise<Finding[]> =>
      lookEverywhere(store, settings, (await databaseFactsOf(database)).nowMs);
    const first = await look();
    if (first.length === 0) return tellAudit([], task.asJson, streams);
    const waitMs = Math.max(CONFIRM_MS, 2 * leaseMs);
    if (!task.asJson) {
      const what = `${first.length} findings; looking again in ${waitMs / 1000} s`;
      streams.err(`${what}, whether they were only in passing\n`);
    }
    await wait(waitMs);
    return tellAudit(confirmed(first, await look()), task.asJson, streams);
  });
};

/** Commands that work on the database itself, beside running servers. */
export const upkeep = { audit, rotate };
