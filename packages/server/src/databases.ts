import type { Config } from './config.ts';
import type { Logger } from './observe/log.ts';
import { databaseFactsOf, type DatabaseFacts } from './store/database-facts.ts';
import { migrate } from './store/migrate.ts';
import { openDatabase, type Database } from './store/postgres.ts';

/** A server's connections. Listing must never take one away from accepting, and accepting none from the heartbeat. */
export type Databases = {
  /** Accepts and delivers, for all tenants at once. */
  readonly hot: Database;
  /** Answers the API: what it does for a tenant, behind row-level security. */
  readonly api: Database;
  /** Statements sent so far, by both. */
  readonly statements: () => number;
  readonly facts: () => Promise<DatabaseFacts & { readonly pool: number }>;
  readonly close: () => Promise<unknown>;
};

const HOT_SHARE = 0.6;

/** Brings the schema up to date, and opens the pools. @throws SchemaMismatch */
export const openDatabases = async (
  { databasePool, statementTimeout }: Pick<Config, 'databasePool' | 'statementTimeout'>,
  url: string,
  nodeName: string,
  log: Logger,
): Promise<Databases> => {
  const { rowSecurity } = await migrate({ url, log: (line) => log.info(line) });
  const tenantRole = rowSecurity.kind === 'on' ? rowSecurity.role : null;
  if (rowSecurity.kind === 'off')
    log.warn({ why: rowSecurity.why }, 'row-level security between tenants is not in force');
  let statements = 0;
  const timeoutMs = statementTimeout * 1000;
  const open = (size: number, plans: 'standard' | 'pinned', role: string | null) =>
    openDatabase({
      url,
      applicationName: `posthorn ${nodeName}`.slice(0, 63),
      size,
      statementTimeoutMs: timeoutMs,
      lockTimeoutMs: timeoutMs,
      connectTimeoutMs: timeoutMs,
      plans,
      tenantRole: role,
      onStatement: () => void statements++,
      onConnectionLost: (error) => log.warn({ error: error.message }, 'a database connection was lost'),
    });
  const hot = open(Math.max(2, Math.ceil(databasePool * HOT_SHARE)), 'pinned', null);
  const api = open(Math.max(1, Math.floor(databasePool * (1 - HOT_SHARE))), 'standard', tenantRole);
  return {
    hot,
    api,
    statements: () => statements,
    facts: async () => {
      const facts = await databaseFactsOf(api);
      return { ...facts, rowSecurity: facts.rowSecurity && tenantRole !== null, pool: databasePool };
    },
    close: () => Promise.all([hot.close(), api.close()]),
  };
};
