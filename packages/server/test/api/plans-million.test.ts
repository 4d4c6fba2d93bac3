// Every list over a million rows: along an index, never through the table, and a filter that nothing
// matches ends after ten thousand rows and says so.
import { beforeAll, describe, expect, it } from 'vitest';
import { idFloor } from '../../src/domain/ids.ts';
import { partitionOf } from '../../src/domain/partition.ts';
import { addApplication, addEndpoint } from './fixtures.ts';
import { useApi } from './harness.ts';
import type { Sent } from './harness.ts';

const harness = useApi();
const { call } = harness;
const MILLION = 1_000_000;
const HUNDRED = 100_000;
const WALKED = 10_000;

let app: string;
let endpoint: string;
/** With a hundred thousand attempts, and one with one. */
let message: string;
let ordinary: string;
/** Of an organisation with very many of everything. */
let token: string;
let org: string;

beforeAll(async () => {
  app = await addApplication(harness, 'million');
  endpoint = await addEndpoint(harness, app);
  ({ org, token } = await harness.newOrg());
  // Ids of this moment that count up.
  const base = idFloor('message', harness.nowMs()).slice(4, 24);
  message = `msg_${base}0500000`;
  ordinary = `msg_${base}0500001`;
  const started = performance.now();
  const fill = async (sql: string, values: readonly unknown[] = []): Promise<void> => {
    const client = await harness.pool.connect();
    try {
      // Rows without their neighbours, quickly; the database is this test's own.
      await client.query(
        'set session_replication_role = replica; set synchronous_commit = off; set statement_timeout = 0',
      );
      await client.query(sql, [...values]);
      await client.query('reset session_replication_role');
    } finally {
      client.release();
    }
  };
  const numbers = (count: number) => `generate_series(1, ${count}) n`;
  const tail = `lpad(n::text, 7, '0')`;
  await Promise.all([
    fill(
      `insert into message (id, app_id, org_id, event_type, payload, content_type, retention_days, created_at)
       select 'msg_' || $1 || ${tail}, $2, $3, 'a', '{}', 'application/json', 90, now() from ${numbers(MILLION)}`,
      [base, app, harness.org],
    ),
    fill(
      `insert into attempt (id, org_id, app_id, msg_id, endpoint_id, run, status, trigger, response_status, duration_ms, url, event_type, created_at, final)
       select 'atmpt_' || $1 || ${tail}, $2, $3, case when n % 10 = 0 then $5 else 'msg_' || $1 || ${tail} end, $4, 0, 0, 0, 200, 1, 'u', 'a', now(), 'succeeded'
       from ${numbers(MILLION)}`,
      [base, harness.org, app, endpoint, message],
    ),
  ]);
  await Promise.all([
    fill(
      `insert into closed (msg_id, endpoint_id, run, app_id, org_id, event_type, state, reason, letter, closed_at, changed_at)
       select 'msg_' || $1 || ${tail}, $4, 0, $3, $2, 'a', 'dead', 'exhausted', 'open', now() - n * interval '1 second', now()
       from ${numbers(MILLION)}`,
      [base, harness.org, app, endpoint],
    ),
    fill(
      `insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, due_at, bytes)
       select 'msg_' || $1 || ${tail}, $4, $3, $2, $5, 'waiting', now() + n * interval '1 millisecond', 2
       from ${numbers(MILLION)}`,
      [base, harness.org, app, endpoint, partitionOf(endpoint)],
    ),
    (async () => {
      await fill(
        `insert into application (id, org_id, name, created_at, updated_at)
         select 'app_' || $1 || ${tail}, $2, 'x', now(), now() from ${numbers(HUNDRED)}`,
        [base, org],
      );
      await fill(
        `insert into endpoint (id, org_id, app_id, partition, url, keys, created_at, updated_at)
         select 'ep_' || $1 || ${tail}, $2, $3, 1, 'https://x.test', '[]', now(), now() from ${numbers(HUNDRED)}`,
        [base, harness.org, app],
      );
      await fill(
        `insert into event_type (org_id, name, description, archived, created_at, updated_at)
         select $1, 'type.' || ${tail}, 'x', n % 1000000 <> 0, now(), now() from ${numbers(HUNDRED)}`,
        [org],
      );
      await fill(
        `insert into task (id, org_id, app_id, kind, status, input, created_at, updated_at)
         select 'qtask_' || $1 || ${tail}, $2, null, 'endpoint.recover', 'finished', '{"sinceMs":0,"untilMs":null}', now(), now()
         from ${numbers(HUNDRED)}`,
        [base, org],
      );
    })(),
  ]);
  await harness.pool.query('analyze');
  console.log(`filled in ${Math.round(performance.now() - started)} ms`);
}, 600_000);

type Plan = {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
};
const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
const readBy = (node: Plan): number =>
  node['Node Type'].includes('Scan') && node['Relation Name'] !== undefined
    ? (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops']
    : 0;

/** What the statements read: rows in all, and tables that were gone through. */
const planOf = async (sent: readonly Sent[]) => {
  let read = 0;
  const scanned: string[] = [];
  for (const { statement, params } of sent) {
    const explain = (client: Pick<typeof harness.pool, 'query'>) =>
      client.query(`explain (analyze, format json) ${statement.text}`, [...params]);
    const { rows } = await (statement.org === undefined
      ? explain(harness.pool)
      : harness.asTenant(String(params[statement.org - 1]), explain));
    for (const node of nodesOf(rows[0]['QUERY PLAN'][0].Plan as Plan)) {
      read += readBy(node);
      // A table of some rows may well be gone through.
      if (node['Node Type'] === 'Seq Scan' && readBy(node) > 100)
        scanned.push(`${statement.name}: ${node['Relation Name'] ?? ''}`);
    }
  }
  return { read: Math.round(read), scanned };
};

const get = async (path: string, as?: string) => {
  let reply: Awaited<ReturnType<typeof call>> | undefined;
  const sent = await harness.watch(async () => {
    reply = await call('GET', path, as === undefined ? {} : { token: as });
  });
  expect([path, reply!.status]).toEqual([path, 200]);
  return { ...(await planOf(sent)), body: reply!.body };
};

/** A message that went to twenty thousand endpoints of an application of its own, three attempts each. */
const addFannedOut = async (): Promise<{ readonly ofApp: string; readonly id: string }> => {
  const ofApp = await addApplication(harness, 'fanned');
  const base = harness.ids('message').slice(4, 24);
  const id = `msg_${base}0000000`;
  const client = await harness.pool.connect();
  try {
    await client.query('set session_replication_role = replica; set statement_timeout = 0');
    await client.query(
      `insert into message (id, app_id, org_id, event_type, payload, content_type, retention_days, created_at)
       values ($1, $2, $3, 'a', '{}', 'application/json', 90, now())`,
      [id, ofApp, harness.org],
    );
    await client.query(
      `insert into endpoint (id, org_id, app_id, partition, url, keys, created_at, updated_at)
       select 'ep_' || $1 || lpad(n::text, 7, '0'), $2, $3, 1, 'https://x.test', '[]', now(), now()
       from generate_series(1, 20001) n`,
      [base, harness.org, ofApp],
    );
    await client.query(
      'insert into lane (endpoint_id, org_id, partition) select id, org_id, partition from endpoint where app_id = $1',
      [ofApp],
    );
    // The last was never due: somebody tried it by hand.
    await client.query(
      `insert into attempt (id, org_id, app_id, msg_id, endpoint_id, run, status, trigger, response_status, duration_ms, url, event_type, created_at)
       values ('atmpt_' || $1 || '9999999', $2, $3, $4, 'ep_' || $1 || '0020001', 0, 2, 1, 500, 1, 'u', 'a', now())`,
      [base, harness.org, ofApp, id],
    );
    await client.query(
      `insert into attempt (id, org_id, app_id, msg_id, endpoint_id, run, status, trigger, response_status, duration_ms, url, event_type, created_at, final)
       select 'atmpt_' || $1 || lpad((e * 3 + n)::text, 7, '0'), $2, $3, $4, 'ep_' || $1 || lpad(e::text, 7, '0'), 0,
         case n when 2 then 0 else 2 end, 0, 200, 1, 'u', 'a', now(), case n when 2 then 'succeeded' end
       from generate_series(1, 20000) e, generate_series(0, 2) n`,
      [base, harness.org, ofApp, id],
    );
    await client.query(
      'reset session_replication_role; reset statement_timeout; analyze attempt; analyze endpoint; analyze lane',
    );
  } finally {
    client.release();
  }
  return { ofApp, id };
};

/** Every list: its path, and whose token. */
const lists: readonly [path: () => string, as: () => string | undefined][] = [
  [() => '/app?', () => token],
  [() => '/app?order=descending', () => token],
  [() => `/app/${app}/endpoint?`, () => undefined],
  [() => `/app/${app}/endpoint?order=ascending`, () => undefined],
  [() => '/event-type?include_archived=true', () => token],
  [() => '/event-type?include_archived=true&order=descending&with_content=true', () => token],
  [() => '/background-task?', () => token],
  [() => `/app/${app}/msg?`, () => undefined],
  [() => `/app/${app}/msg?after=2026-01-01T00:00:00Z&with_content=false`, () => undefined],
  [() => `/app/${app}/attempt/endpoint/${endpoint}?`, () => undefined],
  [() => `/app/${app}/attempt/msg/${message}?`, () => undefined],
  [() => `/app/${app}/msg/${message}/attempt?`, () => undefined],
  [() => `/app/${app}/msg/${ordinary}/endpoint?`, () => undefined],
  [() => `/app/${app}/msg/${message}/endpoint/${endpoint}/attempt?`, () => undefined],
  [() => `/app/${app}/dead-letter?`, () => undefined],
  [() => `/app/${app}/dead-letter?endpoint_id=${endpoint}`, () => undefined],
  [() => `/app/${app}/poller/${endpoint}?after=2026-01-01T00:00:00Z`, () => undefined],
  [() => '/operational-webhook/endpoint?', () => undefined],
];

describe('a list over a million rows', () => {
  it.each(lists)('%s goes along an index', async (path, as) => {
    const { read, scanned, body } = await get(`${path()}&limit=50`, as());
    expect(scanned).toEqual([]);
    // A page, one more, and what belongs to each of its rows.
    expect(read).toBeLessThan(2000);
    expect(body.data.length).toBeLessThanOrEqual(50);
  });

  it('of an endpoint’s messages walks no further where very many wait', async () => {
    const { read, scanned, body } = await get(
      `/app/${app}/endpoint/${endpoint}/msg?limit=50&with_content=false`,
    );
    expect(scanned).toEqual([]);
    expect(read).toBeLessThan(4 * WALKED);
    expect([body.data.length, body['done']]).toEqual([50, false]);
  });
});

describe('the endpoints of a message with very many attempts', () => {
  it('are listed a page at a time, and none is left out', { timeout: 120_000 }, async () => {
    const { ofApp, id: fanned } = await addFannedOut();
    const seen: string[] = [];
    let iterator = '';
    let back = '';
    for (let page = 0; page < 1000; page++) {
      const at = `/app/${ofApp}/msg/${fanned}/endpoint?limit=250${iterator}`;
      // The plans of some pages; all of them would take minutes.
      const { body, read, scanned } =
        page % 40 === 0 ? await get(at) : { ...(await call('GET', at)), read: 0, scanned: [] };
      expect([scanned, read < 4 * WALKED]).toEqual([[], true]);
      seen.push(...body.data.map(({ id }: { id: string }) => id));
      back = body.prevIterator;
      if (body['done'] === true) break;
      iterator = `&iterator=${body.iterator}`;
    }
    expect(seen.length).toBe(20_001);
    const before = await call('GET', `/app/${ofApp}/msg/${fanned}/endpoint?limit=250&iterator=${back}`);
    const last = seen.length % 250;
    expect(before.body.data.map(({ id }: { id: string }) => id)).toEqual(seen.slice(-250 - last, -last));
    expect(seen).toEqual(seen.toSorted().toReversed());
  });
});

describe('the endpoints of a message with very many attempts to one', () => {
  it('are looked for a bounded number of rows at a time', async () => {
    const { read, scanned, body } = await get(`/app/${app}/msg/${message}/endpoint?limit=50`);
    expect(scanned).toEqual([]);
    expect(read).toBeLessThan(4 * WALKED);
    expect([body.data, body['done'], typeof body.iterator]).toEqual([[], false, 'string']);
  });
});

/** Filters without an index of their own, of which nothing comes; the last row is far away. */
const fruitless: readonly [path: () => string, as: () => string | undefined][] = [
  [() => '/app?exclude_apps_with_no_endpoints=true', () => token],
  [() => '/app?exclude_apps_with_disabled_endpoints=true&order=descending', () => token],
  [() => '/event-type?', () => token],
  [() => '/background-task?status=running', () => token],
  [() => '/background-task?task=application.replay&order=ascending', () => token],
  [() => `/app/${app}/msg?event_types=none`, () => undefined],
  [() => `/app/${app}/msg?channel=none`, () => undefined],
  [() => `/app/${app}/msg?tag=none&after=2026-01-01T00:00:00Z`, () => undefined],
  [() => `/app/${app}/attempt/endpoint/${endpoint}?status=2`, () => undefined],
  [() => `/app/${app}/attempt/endpoint/${endpoint}?event_types=none`, () => undefined],
  [() => `/app/${app}/attempt/endpoint/${endpoint}?status_code_class=500`, () => undefined],
  [() => `/app/${app}/attempt/msg/${message}?status=2`, () => undefined],
  [() => `/app/${app}/attempt/msg/${message}?tag=x`, () => undefined],
  [() => `/app/${app}/dead-letter?event_types=none`, () => undefined],
  [() => `/app/${app}/dead-letter?endpoint_id=${endpoint}&state=discarded`, () => undefined],
  [() => `/app/${app}/endpoint/${endpoint}/msg?event_types=none&with_content=false`, () => undefined],
  [() => `/app/${app}/endpoint/${endpoint}/msg?status=0&with_content=false`, () => undefined],
];

describe('a filter that nothing matches', () => {
  it.each(fruitless)('%s ends after ten thousand rows, and tells where to go on', async (path, as) => {
    const { read, scanned, body } = await get(path(), as());
    expect(scanned).toEqual([]);
    expect(read).toBeLessThan(4 * WALKED);
    expect([body.data, body['done'], typeof body.iterator]).toEqual([[], false, 'string']);
    const next = await get(`${path()}&iterator=${body.iterator}`, as());
    expect(next.read).toBeLessThan(4 * WALKED);
    expect(next.body.iterator).not.toBe(body.iterator);
  });
});
