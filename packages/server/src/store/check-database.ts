import pg from 'pg';

export type DatabaseProblem = {
  readonly name: 'DATABASE_URL';
  /** `unusable`: nothing can run on it. `unsafe`: it could lose what was acknowledged. */
  readonly kind: 'unusable' | 'unsafe';
  readonly problem: string;
};

const OLDEST = 150_000;
const CONNECT_TIMEOUT_MS = 5_000;

const wanted = [
  'fsync',
  'full_page_writes',
  'synchronous_commit',
  'server_version_num',
  'transaction_read_only',
] as const;

const judge = (settings: Readonly<Record<string, string>>): DatabaseProblem[] => {
  const problems: DatabaseProblem[] = [];
  const add = (kind: DatabaseProblem['kind'], problem: string): void =>
    void problems.push({ name: 'DATABASE_URL', kind, problem });
  if (Number(settings['server_version_num']) < OLDEST) {
    const major = Math.floor(Number(settings['server_version_num']) / 10_000);
    add('unusable', `is PostgreSQL ${major}; 15 or newer is needed`);
  }
  for (const name of ['fsync', 'full_page_writes']) {
    if (settings[name] === 'off') {
      add(
        'unsafe',
        `has ${name} = off: accepted messages could be lost or damaged when the machine fails; set ${name} = on`,
      );
    }
  }
  if (settings['synchronous_commit'] === 'off') {
    add(
      'unsafe',
      'has synchronous_commit = off: a message could be acknowledged and then lost; set synchronous_commit = on',
    );
  }
  if (settings['transaction_read_only'] === 'on') {
    add('unusable', 'is read-only (a standby?); name the primary');
  }
  return problems;
};

/** What an error code means to whoever has to mend it; https://www.postgresql.org/docs/current/errcodes-appendix.html. */
const advice: Readonly<Record<string, string>> = {
  '28P01': 'check user and password',
  '28000': 'check the user, and what pg_hba.conf lets in',
  '3D000': 'create it (createdb), or name another one',
  '53300': 'it has no connection left; raise max_connections or end others',
  '57P03': 'it is starting up or shutting down; try again',
  ECONNREFUSED: 'nothing listens there; check host and port, and that PostgreSQL runs',
  ENOTFOUND: 'there is no such host; check its name',
  EAI_AGAIN: 'the host name could not be looked up; check it and the DNS',
};

const FORM = 'postgres://user:password@host:5432/database';

const unusable = (error: { readonly code?: string; readonly message: string }): DatabaseProblem => {
  const what = error.message === '' ? (error.code ?? 'no answer') : error.message;
  const how = advice[error.code ?? ''] ?? `check its form, ${FORM}, and that PostgreSQL runs there`;
  return { name: 'DATABASE_URL', kind: 'unusable', problem: `cannot be used: ${what}; ${how}` };
};

/** Whether a database can be trusted with messages: reachable, new enough, writable, and durable. All problems at once. */
export const checkDatabase = async (url: string): Promise<readonly DatabaseProblem[]> => {
  if (!/^(postgres(ql)?|socket):/.test(url)) {
    return [
      { name: 'DATABASE_URL', kind: 'unusable', problem: `is no address of a PostgreSQL; write ${FORM}` },
    ];
  }
  let client: pg.Client | null = null;
  try {
    client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
    client.on('error', () => {});
    await client.connect();
    const { rows } = await client.query<{ name: string; value: string }>(
      'select name, current_setting(name) as value from unnest($1::text[]) as name',
      [wanted],
    );
    return judge(Object.fromEntries(rows.map(({ name, value }) => [name, value])));
  } catch (error) {
    return [unusable(error as { code?: string; message: string })];
  } finally {
    await client?.end().catch(() => {});
  }
};
