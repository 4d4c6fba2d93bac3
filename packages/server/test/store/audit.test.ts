import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createAuditor, lookEverywhere } from '../../src/auditing.ts';
import type { AuditRule } from '../../src/domain/audit.ts';
import { auditStatements, createAuditStore, type AuditStore } from '../../src/store/audit.ts';
import { makeLeavesAhead } from '../../src/store/leaves.ts';
import { pinnedPlans } from '../../src/store/plan.ts';
import type { Database } from '../../src/store/postgres.ts';
import { useTestDatabase } from '../postgres.ts';
import { APP, idAt, newNode, open, ORG, seed } from './setup.ts';

const server = useTestDatabase();
const settings = { leaseMs: 10_000, retryWindowMs: 86_400_000 };
const node = newNode();
let database: Database;
let store: AuditStore;
beforeAll(async () => {
  database = open(server.url);
  store = createAuditStore(database);
  await makeLeavesAhead(database, 1);
});
afterAll(() => database.close());

const at = "now() - interval '2 minutes'";
const sql = (text: string) => database.script(text);
let message: string;

const insertMessage = (id: string) =>
  sql(`insert into message (id, app_id, org_id, event_type, payload, content_type, retention_days, created_at)
    values ('${id}', '${APP}', '${ORG}', 'a', '{}', 'application/json', 90, ${at})`);
const insertLive = (more: Record<string, string> = {}, endpoint = 'ep_1') => {
  const row = {
    msg_id: `'${message}'`,
    endpoint_id: `'${endpoint}'`,
    app_id: `'${APP}'`,
    org_id: `'${ORG}'`,
    partition: '7',
    state: "'waiting'",
    due_at: "now() + interval '1 hour'",
    bytes: '2',
    ...more,
  };
  return sql(`insert into live (${Object.keys(row).join()}) values (${Object.values(row).join()})`);
};
const insertAttempt = (endpoint: string, final: string | null, id = idAt('attempt', Date.now() - 60_000)) =>
  sql(`insert into attempt (id, org_id, app_id, msg_id, endpoint_id, run, status, final, trigger, response_status, duration_ms, url, event_type, created_at)
    values ('${id}', '${ORG}', '${APP}', '${message}', '${endpoint}', 0, ${final === 'succeeded' ? 0 : 2}, ${final === null ? 'null' : `'${final}'`}, 0, 200, 1, 'u', 'a', now())`);
const insertClosed = (endpoint: string) =>
  sql(`insert into closed (msg_id, endpoint_id, run, app_id, org_id, event_type, state, reason, letter, closed_at, changed_at)
    values ('${message}', '${endpoint}', 0, '${APP}', '${ORG}', 'a', 'dead', 'exhausted', 'open', now(), now())`);
const held = (by: string, since: string) => ({
  state: "'held'",
  epoch: '1',
  node: `'${by}'`,
  held_at: `now() - interval '${since}'`,
});
const expand = (age: string) =>
  sql(`insert into expansion (msg_id, app_id, org_id, partition, priority, bytes, endpoint_ids, turn_at)
    values ('${message}', '${APP}', '${ORG}', 7, 1, 2, '{ep_1}', now() - interval '${age}')`);

/** One message with a delivery for each of three endpoints: open, ended well, ended badly. */
beforeEach(async () => {
  await sql(
    `truncate application, endpoint, lane, live, message, attempt, closed, expansion, draining, node cascade`,
  );
  await seed(database, ['ep_1', 'ep_2', 'ep_3']);
  await sql(`update endpoint set updated_at = now() - interval '1 day';
    insert into node (id, name, until) values ('${node}', 'n', 'infinity');
    update partition set node = '${node}', epoch = 1, lease_until = 'infinity'`);
  message = idAt('message', Date.now() - 120_000);
  await insertMessage(message);
  await insertAttempt('ep_2', 'succeeded');
  await insertAttempt('ep_3', 'dead');
  await insertClosed('ep_3');
});

/** By the command's look at everything, and by the server's at a part: both must say the same. */
const found = async (): Promise<[AuditRule, string][]> => {
  const everywhere = await lookEverywhere(store, settings, Date.now());
  const look = createAuditor({ store, settings, node, nowMs: Date.now });
  expect(await look()).toEqual([]);
  const told = (await look()) ?? [];
  const keys = (list: typeof told): [AuditRule, string][] =>
    list.map(({ rule, subject, detail }) => [rule, `${subject}: ${detail}`]);
  expect(keys(told)).toEqual(keys(everywhere));
  return keys(everywhere);
};
const of = (rule: AuditRule, subject: string, detail: string) => [
  rule,
  expect.stringMatching(new RegExp(`^${subject}: .*${detail}`)),
];

const ordered = (seq: number) => ({ priority: '4', order_key: "'k'", seq: String(seq) });
const before = `msg_id, endpoint_id, app_id, org_id, partition, state, priority, due_at, bytes, order_key, seq, epoch,
  node, held_at`;
const first = (state: string, due: string, token: string): string =>
  `'msg_first', endpoint_id, app_id, org_id, partition, '${state}', 4, ${due}, 2, order_key, 1, ${token}`;
const later = first('waiting', `now() + interval '1 hour'`, 'null, null, null');
const flying = first('held', 'now()', `1, '${node}', now()`);

const LONG_AGO = { due_at: "now() - interval '1 hour'" };

describe('an audit finds nothing', () => {
  it('where every message is accounted for', async () => {
    await insertLive();
    expect(await found()).toEqual([]);
  });
  it('while a large fan-out is being unfolded', async () => {
    await sql('delete from closed');
    await expand('1 minute');
    expect(await found()).toEqual([]);
  });
  it('where one endpoint alone got an example', async () => {
    await sql(`delete from closed; delete from attempt where endpoint_id = 'ep_3'`);
    expect(await found()).toEqual([]);
  });
  it.each([
    ['is paused', `update endpoint set paused_at = now() - interval '1 day'`],
    [
      'was paused until just now',
      `update endpoint set paused_at = now() - interval '1 day', paused_until = now() - interval '1 minute'`,
    ],
    ['is disabled', 'update endpoint set disabled = true'],
    ['was changed just now', `update endpoint set updated_at = now() - interval '1 minute'`],
    ['is blocked', `update lane set blocked_until = now() + interval '1 minute', blocked_reason = 'failing'`],
  ])('where what is due waits for an endpoint that %s', async (_, change) => {
    await insertLive(LONG_AGO);
    await sql(change);
    expect(await found()).toEqual([]);
  });
  it('where an endpoint with a backlog is being sent to', async () => {
    await insertLive(LONG_AGO);
    await insertAttempt('ep_1', null);
    expect(await found()).toEqual([]);
  });
  it.each([
    ['the first of its key is to be tried again', `insert into live (${before}) select ${later} from live`],
    ['the first of its key is in flight', `insert into live (${before}) select ${flying} from live`],
    [
      'a dead letter blocks its key',
      `update closed set endpoint_id = 'ep_1', order_key = 'k', seq = 1, blocks = true`,
    ],
    [
      'an older message is to be unfolded',
      `insert into expansion (msg_id, app_id, org_id, partition, priority, bytes, endpoint_ids, seq)
        select 'msg_older', app_id, org_id, 7, 1, 2, '{ep_9}', 1 from live`,
    ],
  ])('where what is due stands in an order, and %s', async (_, change) => {
    await insertLive({ ...LONG_AGO, ...ordered(2) });
    await sql(change);
    await sql(`delete from closed where endpoint_id <> 'ep_1'`);
    await insertClosed('ep_3');
    expect((await found()).filter(([rule]) => rule === 'overdue')).toEqual([]);
  });
  it('where a delivery is scheduled, or held by a node that lives or drains', async () => {
    await insertLive({ due_at: "now() + interval '80 days'" });
    expect(await found()).toEqual([]);
    await sql('delete from live');
    await insertLive(held(node, '1 hour'));
    expect(await found()).toEqual([]);
    const gone = newNode();
    await sql(`update live set node = '${gone}';
      insert into draining (partition, epoch, node, deadline) values (7, 1, '${gone}', now())`);
    expect(await found()).toEqual([]);
  });
});

describe('an audit finds', () => {
  it('the first of a key that is due and not sent', async () => {
    await insertLive({ ...LONG_AGO, ...ordered(2) });
    expect(await found()).toEqual([of('overdue', `${message} ep_1`, 'it is due since')]);
  });

  it('a message without a delivery that it must have', async () => {
    expect(await found()).toEqual([of('unaccounted', `${message} ep_1`, 'subscribes to a')]);
    await sql('delete from closed; delete from attempt');
    expect(await found()).toHaveLength(3);
  });
  it('attempts without an end', async () => {
    await insertAttempt('ep_1', null);
    expect(await found()).toEqual([of('unaccounted', `${message} ep_1`, '')]);
  });
  it('a delivery that is open and ended', async () => {
    await insertLive({}, 'ep_2');
    await insertLive({}, 'ep_1');
    expect(await found()).toEqual([of('doubled', `${message} ep_2`, 'last attempt')]);
    await sql(
      `update live set endpoint_id = 'ep_3' where endpoint_id = 'ep_2'; update attempt set final = null where endpoint_id = 'ep_3'`,
    );
    expect(await found()).toEqual([of('doubled', `${message} ep_3`, 'closed')]);
    await sql(`update live set run = 1 where endpoint_id = 'ep_3'`);
    expect(await found()).toEqual([]);
  });
  it('what is due at an endpoint to which nothing is sent', async () => {
    await insertLive(LONG_AGO);
    expect(await found()).toEqual([of('overdue', `${message} ep_1`, 'due since')]);
  });
  it('what is due for longer than its window, whatever is sent to its endpoint', async () => {
    await insertLive({ due_at: "now() - interval '25 hours'", priority: '2' });
    await insertAttempt('ep_1', null);
    expect(await found()).toEqual([of('overdue', `${message} ep_1`, 'due since')]);
  });
  it('what has expired and was not canceled, also at a paused endpoint', async () => {
    await insertLive({ expires_at: "now() - interval '1 hour'" });
    await sql(`update endpoint set paused_at = now()`);
    expect(await found()).toEqual([of('overdue', `${message} ep_1`, 'expired')]);
  });
  it('what is held for longer than any delivery takes', async () => {
    await insertLive(held(node, '25 hours'));
    expect(await found()).toEqual([of('overdue', `${message} ep_1`, 'held since')]);
  });
  it('an expansion that nobody unfolds', async () => {
    await expand('1 hour');
    expect(await found()).toEqual([of('overdue', message, 'last unfolded')]);
  });
  it('deliveries and expansions without a message', async () => {
    await insertLive();
    await expand('1 minute');
    await sql('delete from message');
    expect(await found()).toEqual([
      of('orphan', message, 'message'),
      of('orphan', `${message} ep_1`, 'message'),
    ]);
  });
  it('deliveries without a lane or an endpoint', async () => {
    await insertLive();
    await sql(`delete from lane where endpoint_id = 'ep_1'`);
    expect(await found()).toEqual([of('orphan', `${message} ep_1`, 'no lane')]);
    await sql(`delete from endpoint where id = 'ep_1'`);
    expect(await found()).toEqual([of('orphan', `${message} ep_1`, 'endpoint is gone')]);
  });
  it('deliveries held by a node that is gone', async () => {
    await insertLive(held(newNode(), '1 hour'));
    expect(await found()).toEqual([of('orphan', `${message} ep_1`, 'held by node')]);
  });
  it('partitions without an owner', async () => {
    await insertLive();
    await sql(`update partition set node = null, lease_until = '-infinity' where id = 3;
      update partition set lease_until = now() - interval '1 minute' where id = 200`);
    expect(await found()).toEqual([of('unowned', '3', 'nobody'), of('unowned', '200', 'its lease ended')]);
  });
});

describe('the auditor of a server', () => {
  it('tells of what is still there at the next look only, and works on one node only', async () => {
    const look = createAuditor({ store, settings, node, nowMs: Date.now });
    expect(await look()).toEqual([]);
    await insertLive();
    expect(await look()).toEqual([]);
    expect(await createAuditor({ store, settings, node: newNode(), nowMs: Date.now })()).toBeNull();
  });
  it('comes round to every endpoint', async () => {
    await insertLive();
    const many = Array.from({ length: 300 }, (_, index) => `ep_a${String(index).padStart(3, '0')}`);
    await sql(`insert into endpoint (id, org_id, app_id, partition, url, keys, created_at, updated_at)
        select id, '${ORG}', '${APP}', 7, 'https://receiver.test/', '[]', now(), now() from unnest('{${many.join()}}'::text[]) id;
      insert into lane (endpoint_id, org_id, partition) select id, org_id, partition from endpoint where id like 'ep_a%';
      insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, due_at, bytes)
        select '${message}', id, '${APP}', '${ORG}', 7, 'waiting', now(), 2 from endpoint where id like 'ep_a%';
      delete from lane where endpoint_id = '${many.at(-1)!}'`);
    const look = createAuditor({ store, settings, node, nowMs: Date.now });
    const told = [await look(), await look(), await look()];
    expect(told.map((findings) => findings?.map(({ rule }) => rule))).toEqual([[], [], ['orphan']]);
  });
});

it('reads along indexes only', async () => {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query(pinnedPlans);
  for (const { name, text } of Object.values(auditStatements)) {
    const count = Math.max(0, ...[...text.matchAll(/\$(\d+)/g)].map((match) => Number(match[1])));
    await client.query(`prepare planned_${name} as ${text}`);
    const values = count === 0 ? '' : `(${Array.from({ length: count }, () => 'null').join()})`;
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(
      `explain (costs off) execute planned_${name}${values}`,
    );
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).not.toMatch(/Seq Scan on (live|lane|message|attempt|closed|endpoint|application|expansion)/);
    expect(plan).not.toMatch(/Hash Join|Merge Join|Bitmap/);
  }
  await client.end();
});
