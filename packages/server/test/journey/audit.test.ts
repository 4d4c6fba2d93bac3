// The audit beside a server that has been through some trouble, and the command.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { lookEverywhere } from '../../src/auditing.ts';
import { createAuditStore } from '../../src/store/audit.ts';
import { openDatabase } from '../../src/store/postgres.ts';
import { run } from '../cli/posthorn.ts';
import {
  createApplication,
  createEndpoint,
  eventually,
  postMessage,
  startReceiver,
  startTestServer,
  type Receiver,
  type TestServer,
} from './harness.ts';

let server: TestServer;
let receiver: Receiver;
beforeAll(async () => {
  let flaps = 0;
  receiver = await startReceiver(({ path }, response) => {
    const fails = path.endsWith('/dead') || (path.endsWith('/flaps') && flaps++ % 2 === 0);
    response.writeHead(fails ? 500 : 200).end();
  });
  server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '0.05,0.05,0.05' });
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});

const MESSAGES = 40;

/** As if the configuration were old and the messages two minutes. */
const look = async () => {
  const database = openDatabase({
    url: server.databaseUrl,
    applicationName: 'audit test',
    size: 1,
    statementTimeoutMs: 30_000,
    lockTimeoutMs: 10_000,
    connectTimeoutMs: 10_000,
    plans: 'pinned',
  });
  await server.sql(
    `update endpoint set updated_at = created_at - interval '1 hour' where not disabled and deleted_at is null`,
  );
  const settings = { leaseMs: 60_000, retryWindowMs: 86_400_000 };
  try {
    return await lookEverywhere(createAuditStore(database), settings, Date.now() + 120_000);
  } finally {
    await database.close();
  }
};

const audit = async () => {
  const { code, out } = await run(['audit', '--json'], { DATABASE_URL: server.databaseUrl });
  return { code, out: JSON.parse(out) as unknown };
};

it('finds nothing after a storm, and what is then broken', { timeout: 120_000 }, async () => {
  const app = await createApplication(server, 'storm');
  const at = (path: string) => createEndpoint(server, app, { url: `${receiver.url}/${path}` });
  const [well, failing, flaps, paused, deleted] = [
    await at('well'),
    await at('dead'),
    await at('flaps'),
    await at('paused'),
    await at('deleted'),
  ];
  const other = await createEndpoint(server, app, { url: `${receiver.url}/other`, channels: ['none'] });
  await server.call('POST', `${app}/endpoint/${paused.id}/pause`, {});
  await server.call('POST', `${app}/endpoint/${other.id}/send-example`, { eventType: 'svix.ping' });
  const half = (count: number) =>
    Promise.all(Array.from({ length: count }, () => postMessage(server, app, 'stormy')));
  await half(MESSAGES / 2);
  await server.call('DELETE', `${app}/endpoint/${deleted.id}`);
  await half(MESSAGES / 2);
  // Behind a breaker, what fails waits for longer than anybody would like to.
  const waiting = [paused.id, failing.id];
  const open = () => server.sql('select 1 from live where endpoint_id <> all($1)', [waiting]);
  await eventually(open, (rows) => rows.length === 0, 60_000);
  expect(await look()).toEqual([]);
  expect(await audit()).toEqual({ code: 0, out: { findings: [] } });

  // The auditor of the server is at work.
  const metrics = async () => (await fetch(`${server.url}/metrics`)).text();
  await eventually(metrics, (text) => /^posthorn_audits_total [1-9]/m.test(text));
  expect(await metrics()).toMatch(/^posthorn_audit_findings\{rule="orphan"\} 0$/m);

  const reached = [well.id, flaps.id];
  const [{ first }] = await server.sql(
    `select msg_id as first from attempt where final = 'succeeded' and endpoint_id = any($1)
     group by msg_id having count(*) = 2 limit 1`,
    [reached],
  );
  await server.sql(
    `delete from attempt where msg_id = $1 and final = 'succeeded' and endpoint_id = any($2)`,
    [first, reached],
  );
  expect((await look()).map(({ rule }) => rule)).toEqual(['unaccounted', 'unaccounted']);
  await server.sql(`update live set app_id = 'app_gone' where endpoint_id = $1 and msg_id = $2`, [
    paused.id,
    first,
  ]);
  expect(await audit()).toEqual({
    code: 1,
    out: {
      findings: [{ rule: 'orphan', subject: `${String(first)} ${paused.id}`, detail: 'its message is gone' }],
    },
  });
});

it('says what it needs', async () => {
  expect(await run(['audit'], {})).toMatchObject({ code: 2, err: expect.stringContaining('DATABASE_URL') });
});
