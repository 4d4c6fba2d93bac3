// Two walls between tenants. The first: every statement of the API's store compares the organisation. The second: the
// database does. Each is tried with the other one taken away.
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantStatements, type TenantStatement } from '../../src/store/tenant-statement.ts';
import { useTestDatabase } from '../postgres.ts';
import { useApi, type Sent } from './harness.ts';
import { PREDICATE, TABLES, unguarded } from './tenant-predicates.ts';
import { tourTheStore } from './tour.ts';

/** What no organisation owns, or whose owner is not known before: everything else names one. */
const NOBODYS = [
  'api_ping',
  'cluster_lanes',
  'cluster_nodes',
  'cluster_partitions',
  // By the subject of a token and its route.
  'idempotency_claim',
  'idempotency_finish',
  'idempotency_prune',
  'idempotency_read',
  'idempotency_release',
  'oldest_writer',
  // For the owners of partitions, of what was committed.
  'pending_notices',
  'post_notices',
  // The next task of anybody; what is done for it is the tenant's again.
  'task_take',
];

/** Ways of walking a list that its operation has no use for. */
const NEVER_SENT = [
  'endpoint_list_filtered_up',
  'endpoint_list_filtered_down',
  'endpoint_list_edge_up',
  'endpoint_list_edge_down',
  'task_list_up',
  'task_list_down',
];

describe('the first wall', () => {
  it('every statement compares the organisation for every table of tenants', () => {
    expect(tenantStatements().length).toBeGreaterThan(90);
    const holes = tenantStatements().flatMap(({ name, text, org }) =>
      unguarded(text, org).map((table) => `${name}: ${table}`),
    );
    expect(holes).toEqual([]);
  });

  it('and one that is taken away is missed', () => {
    const unmissed: string[] = [];
    let taken = 0;
    for (const { name, text, org } of tenantStatements()) {
      for (const match of text.matchAll(PREDICATE)) {
        taken++;
        const without = `${text.slice(0, match.index)}true${text.slice(match.index + match[0].length)}`;
        if (unguarded(without, org).length === 0) unmissed.push(`${name}: ${match[0]} at ${match.index}`);
      }
    }
    expect(unmissed).toEqual([]);
    expect(taken).toBeGreaterThan(150);
  });
});

const SAME_WAY = 2;
const FOREIGN = 'org_00000000000000000000000FRGN';
/** As if the comparison were not there; its parameter stays in use. */
const withoutPredicates = (text: string): string => text.replaceAll(PREDICATE, '($& or true)');

/** Each statement, and each of the ways in which it was asked, a few times at most. */
const differing = (sent: readonly Sent[]): Sent[] => {
  const ways = new Map<string, Sent[]>();
  for (const one of sent) {
    const shape = one.params.map((value) => value === null || (typeof value === 'boolean' && value));
    const way = `${one.statement.name} ${shape.join()}`;
    const alike = ways.get(way) ?? [];
    if (alike.length < SAME_WAY) ways.set(way, [...alike, one]);
  }
  return [...ways.values()].flat();
};

type Result = { readonly answer: string; readonly changed: boolean };

describe('what one tenant can get of another', () => {
  const harness = useApi();
  const empty = useTestDatabase();
  let full: pg.Client;
  let nobody: pg.Client;
  let sent: readonly Sent[];
  let others: readonly string[];
  let sumBefore: string;

  beforeAll(async () => {
    const all = await harness.watch(() => tourTheStore(harness));
    sent = differing(all.filter(({ statement }) => statement.org !== undefined));
    others = [
      ...new Set(all.filter(({ statement }) => statement.org === undefined).map((one) => one.statement.name)),
    ];
    const { connectionString } = (harness.pool as unknown as { options: { connectionString: string } })
      .options;
    full = new pg.Client({ connectionString, application_name: 'tenancy' });
    nobody = new pg.Client({ connectionString: empty.url, application_name: 'tenancy' });
    await Promise.all([full.connect(), nobody.connect()]);
    sumBefore = await sumOf();
  }, 120_000);
  afterAll(async () => {
    await Promise.all([full?.end(), nobody?.end()]);
  });

  const sums = `select ${[...TABLES, 'task_item']
    .map(
      (table) => `(select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from ${table} t
      where ${table === 'task_item' ? 'true' : 'org_id = $1'})`,
    )
    .join(' || ')} as sum`;
  const sumOf = async (): Promise<string> => (await full.query(sums, [harness.org])).rows[0].sum as string;
  /** Only a transaction that has written or locked something has a number. */
  const hasChanged = async (): Promise<boolean> => {
    const { rows } = await full.query('select pg_current_xact_id_if_assigned() is null as read_only');
    return rows[0].read_only !== true && (await sumOf()) !== sumBefore;
  };

  /** Asks for somebody, with one wall or none; nothing of it stays. */
  const ask = async (
    client: pg.Client,
    { statement, params }: Sent,
    as: { readonly org: string; readonly walls: 'first' | 'second' | 'none' },
  ): Promise<Result> => {
    const { org, text } = statement as TenantStatement;
    const values = params.map((value, index) => (index === org - 1 ? as.org : value));
    await client.query('begin');
    try {
      if (as.walls === 'second') {
        await client.query(`select set_config('posthorn.org', $1, true)`, [as.org]);
        await client.query(`select set_config('role', $1, true)`, [harness.tenantRole]);
      }
      await client.query('savepoint asked');
      let answer: string;
      try {
        const { rows } = await client.query(
          as.walls === 'first' ? text : withoutPredicates(text),
          values as unknown[],
        );
        answer = JSON.stringify(rows);
      } catch (error) {
        await client.query('rollback to savepoint asked');
        // Taken keys, missing parents and the policies themselves say no, and the tour has a task that fails.
        const { code } = error as { code?: string };
        if (!['23505', '23503', '42501', '22009'].includes(code ?? '')) throw error;
        answer = '[]';
      }
      await client.query('reset role');
      return { answer, changed: client === full && (await hasChanged()) };
    } finally {
      await client.query('rollback');
    }
  };

  /** What somebody gets who has nothing, where there is nothing; or nothing, where a key is taken. */
  const isInnocent = (got: Result, truth: Result): boolean =>
    !got.changed && (got.answer === truth.answer || got.answer === '[]');

  it('no table that names an organisation was forgotten', async () => {
    const { rows } = await full.query<{ name: string; guarded: boolean }>(
      `select c.relname as name, c.relrowsecurity as guarded from pg_class c
       join pg_attribute a on a.attrelid = c.oid and a.attname = 'org_id'
       where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = 'public'::regnamespace`,
    );
    expect(rows.filter(({ guarded }) => !guarded)).toEqual([]);
    // Revocations are in no statement for a tenant.
    expect(rows.map(({ name }) => name).toSorted()).toEqual([...TABLES, 'revocation'].toSorted());
  });

  it('every statement for a tenant was tried, and those for nobody are known', () => {
    const tried = new Set([...NEVER_SENT, ...sent.map(({ statement }) => statement.name)]);
    expect(tenantStatements().flatMap(({ name }) => (tried.has(name) ? [] : [name]))).toEqual([]);
    expect(others.toSorted()).toEqual(NOBODYS.toSorted());
  });

  it('is nothing behind either wall, and much behind none', { timeout: 300_000 }, async () => {
    const leaks: Record<'first' | 'second', string[]> = { first: [], second: [] };
    const exposed = new Set<string>();
    for (const one of sent) {
      const truth = await ask(nobody, one, { org: FOREIGN, walls: 'first' });
      for (const walls of ['first', 'second'] as const) {
        const got = await ask(full, one, { org: FOREIGN, walls });
        if (!isInnocent(got, truth))
          leaks[walls].push(
            `${one.statement.name}: ${got.answer.slice(0, 200)}, not ${truth.answer.slice(0, 200)}`,
          );
      }
      if (!isInnocent(await ask(full, one, { org: FOREIGN, walls: 'none' }), truth))
        exposed.add(one.statement.name);
    }
    expect(leaks).toEqual({ first: [], second: [] });
    // With both walls gone most of it lies open: this would be seen.
    expect(exposed.size).toBeGreaterThan(80);
  });
});
