// Listing must go along the indexes: plans of the statements as they are, over data that would tempt
// a planner to do otherwise.
import { beforeAll, describe, expect, it } from 'vitest';
import { attemptWalks, countByEndpoint } from '../../src/store/attempt-read.ts';
import { deadLetterLists } from '../../src/store/dead-letters.ts';
import { throttled } from '../../src/store/endpoint-throttled.ts';
import { expungeMany, messageWalk } from '../../src/store/message-read.ts';
import { firstCursors, taskChunks } from '../../src/store/task-chunks.ts';
import { walkStatements } from '../../src/store/walk-bounded.ts';
import { addApplication, addEndpoint } from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const ROWS = 20_000;
let app: string;
let endpoint: string;
let message: string;

beforeAll(async () => {
  app = await addApplication(harness);
  endpoint = await addEndpoint(harness, app);
  const other = await addApplication(harness);
  const base = harness.ids('message').slice(4, 24);
  const fill = (sql: string, values: unknown[]) => harness.pool.query(sql, values);
  const numbers = `generate_series(1, ${ROWS}) n`;
  const tail = `lpad(n::text, 7, '0')`;
  await fill(
    `insert into message (id, app_id, org_id, event_type, payload, content_type, retention_days, created_at)
     select 'msg_' || $1 || ${tail}, case n % 2 when 0 then $2 else $3 end, $4, 'a', '{}', 'application/json', 90, now() from ${numbers}`,
    [base, app, other, harness.org],
  );
  message = `msg_${base}0000002`;
  await fill(
    `insert into attempt (id, org_id, app_id, msg_id, endpoint_id, run, status, trigger, response_status, duration_ms, url, event_type, created_at, final)
     select 'atmpt_' || $1 || ${tail}, $2, $3, 'msg_' || $1 || lpad((n / 10)::text, 7, '0'), case n % 2 when 0 then $4 else 'ep_other' end, 0, 0, 0, 200, 1, 'u', 'a', now(), 'succeeded' from ${numbers}`,
    [base, harness.org, app, endpoint],
  );
  await fill(
    `insert into closed (msg_id, endpoint_id, run, app_id, org_id, event_type, state, reason, letter, closed_at, changed_at)
     select 'msg_' || $1 || ${tail}, case n % 2 when 0 then $4 else 'ep_other' end, 0, case n % 2 when 0 then $3 else 'app_other' end, $2, 'a', 'dead', 'exhausted', 'open', now() - n * interval '1 second', now() from ${numbers}`,
    [base, harness.org, app, endpoint],
  );
  await fill(
    `insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, due_at, bytes)
     select 'msg_' || $1 || ${tail}, case n % 2 when 0 then $4 else 'ep_other' end, $3, $2, 1, 'waiting', now() + n * interval '1 second', 2 from ${numbers}`,
    [base, harness.org, app, endpoint],
  );
  await harness.pool.query('analyze');
});

type Plan = {
  'Node Type': string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
};

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

const isOfNothing = (node: Plan): boolean =>
  node['Node Type'] === 'Seq Scan' && node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) === 0;

/** What the statement writes is taken back. */
const explained = (text: string, params: readonly unknown[]): Promise<Plan> =>
  harness.asTenant(harness.org, async (client) => {
    const { rows } = await client.query(`explain (analyze, format json) ${text}`, [...params]);
    return rows[0]['QUERY PLAN'][0].Plan as Plan;
  });

const explain = async (text: string, params: readonly unknown[]) => {
  const nodes = nodesOf(await explained(text, params));
  const read = nodes
    .filter((node) => node['Node Type'].includes('Scan') && node.Plans === undefined)
    .map((node) => (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops']);
  return {
    // An empty partition may well be scanned, and what it has sorted: there is nothing to read.
    types: nodes
      .filter(
        (node) => !isOfNothing(node) && !(node['Node Type'] === 'Sort' && node.Plans!.every(isOfNothing)),
      )
      .map((node) => node['Node Type']),
    indexes: nodes.flatMap((node) => node['Index Name'] ?? []).join(' '),
    read: read.reduce((sum, rows) => sum + rows, 0),
  };
};

const LOW = '';
const HIGH = '~';

const expectIndexed = (plan: Awaited<ReturnType<typeof explain>>, index: RegExp, atMost: number) => {
  expect(plan.types).not.toContain('Seq Scan');
  expect(plan.types).not.toContain('Bitmap Heap Scan');
  expect(plan.indexes).toMatch(index);
  expect(plan.read).toBeLessThanOrEqual(atMost);
};

describe('plans', () => {
  it.each([true, false])('lists messages along (app, id); ascending: %s', async (ascending) => {
    const { plain, filtered } = walkStatements(messageWalk, ascending);
    expectIndexed(await explain(plain.text, [app, harness.org, LOW, HIGH, 51, true]), /message_\d+_pkey/, 51);
    const params = [app, harness.org, LOW, HIGH, 51, true, '{a}', null, null];
    const searched = await explain(filtered.text, params);
    expectIndexed(searched, /message_\d+_pkey/, 51);
    expect(searched.types).not.toContain('Sort');
  });

  it.each([true, false])(
    'lists attempts along (endpoint, id) and (message, id); ascending: %s',
    async (ascending) => {
      const byEndpoint = walkStatements(attemptWalks.byEndpoint, ascending);
      expectIndexed(
        await explain(byEndpoint.plain.text, [endpoint, harness.org, LOW, HIGH, 51, true]),
        /attempt_\d+_endpoint_id_id_idx/,
        51,
      );
      const byMessage = walkStatements(attemptWalks.byMessage, ascending);
      expectIndexed(
        await explain(byMessage.plain.text, [message, harness.org, LOW, HIGH, 51, true]),
        /attempt_\d+_pkey/,
        51,
      );
      const filter = [2, null, null, null, null, null];
      const counted = await explain(countByEndpoint.text, [endpoint, harness.org, LOW, HIGH, ...filter]);
      expectIndexed(counted, /attempt_\d+_endpoint_id_id_idx/, 10_001);
    },
  );

  it('lists dead letters along (app, time), or (endpoint, message)', async () => {
    const filter = [null, null, null, 51, null];
    const start = ['infinity', '~', '~', 32_767, '-infinity', 'infinity'];
    const byApp = await explain(deadLetterLists.application.down.list.text, [
      app,
      harness.org,
      null,
      ...start,
      ...filter,
    ]);
    expect(byApp.types).not.toContain('Seq Scan');
    expect(byApp.types).not.toContain('Sort');
    expect(byApp.indexes).toContain('closed_app');
    expect(byApp.read).toBeLessThanOrEqual(200);
    const byEndpoint = await explain(deadLetterLists.endpoint.down.list.text, [
      app,
      harness.org,
      endpoint,
      ...start,
      ...filter,
    ]);
    expectIndexed(byEndpoint, /closed_pkey/, 51);
  });

  it('works tasks off along indexes, a chunk at a time', async () => {
    const params = (of: string | null, until: string, cursor: string) => [
      ...[harness.org, app, of, '1970-01-01T00:00:00Z', until, null, null, null, null],
      ...[cursor, -1, 50, null],
    ];
    const until = '2100-01-01T00:00:00Z';
    const purge = await explain(
      taskChunks['application.purge_content'].text,
      params(null, until, firstCursors['application.purge_content']),
    );
    expect(purge.types).not.toContain('Seq Scan');
    expect(purge.indexes).toMatch(/message_\d+_pkey/);
    expect(purge.read).toBeLessThanOrEqual(300);
    const cancel = await explain(
      taskChunks['endpoint.cancel'].text,
      params(endpoint, until, firstCursors['endpoint.cancel']),
    );
    expect(cancel.types).not.toContain('Seq Scan');
    expect(cancel.indexes).toContain('live_waiting');
    expect(cancel.read).toBeLessThanOrEqual(1000);
  });

  it('looks at the oldest that waits and at the last attempts for the rate', async () => {
    await harness.pool.query('update endpoint set rate_limit = 5 where id = $1', [endpoint]);
    const plan = await explain(throttled.text, [endpoint, app, harness.org]);
    expect(plan.types).not.toContain('Sort');
    expect(plan.indexes).toContain('live_waiting');
    expect(plan.read).toBeLessThanOrEqual(50);
  });

  it('finds the messages to expunge by id and by event id', async () => {
    const plan = await explain(expungeMany.text, [app, harness.org, `{${message}}`, '{a,b,c}']);
    expect(plan.types).not.toContain('Seq Scan');
    expect(plan.read).toBeLessThanOrEqual(10);
  });
});
