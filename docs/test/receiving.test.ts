// docs/receiving.md: its receivers in a fresh folder with the packed package, as a new user has it,
// and deliveries of a real Posthorn.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { sign } from '@posthorn/receiver';
import { GITHUB, signHmac, STRIPE } from '@posthorn/receiver/presets';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import {
  attemptsOf,
  createApplication,
  createEndpoint,
  type Shown,
  startTestServer,
  type TestServer,
} from '../../packages/server/test/journey/harness.ts';
import { freePort } from '../../packages/server/test/ports.ts';
import { createTestDatabase } from '../../packages/server/test/postgres.ts';
import { cacheFolder, runTool } from './install.ts';
import { commandsOf, describePage, repository } from './page.ts';
import { type Running, start } from './running.ts';

// Below node_modules, so that express, pg and zod are the repository's.
const fresh = join(cacheFolder('receiving'), 'project');
let server: TestServer;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let programs = 0;
const running = new Set<Running>();

beforeAll(async () => {
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  writeFileSync(join(fresh, 'package.json'), '{"private":true}');
  [server, database] = await Promise.all([startTestServer(), createTestDatabase()]);
});
afterEach(async () => {
  await Promise.all([...running].map((one) => one.kill()));
  running.clear();
});
afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

type Served = {
  readonly program: Running;
  readonly url: string;
  readonly secret: string;
  /** Posts a message; its attempt as the API shows it. */
  readonly deliver: () => Promise<Shown>;
  /** The same message once more. */
  readonly again: (attempt: Shown) => Promise<Shown>;
};

/** Starts a receiver of the page, on a port of its own, with the secret of a real endpoint. */
const serve = async (text: string, path = '/webhooks'): Promise<Served> => {
  const name = `program-${(programs += 1)}`;
  const port = await freePort();
  const url = `http://127.0.0.1:${port}${path}`;
  const app = await createApplication(server, name);
  const endpoint: Shown = await createEndpoint(server, app, { url });
  const secret = (await server.call('GET', `${app}/endpoint/${endpoint.id}/secret`)).body.key;
  expect(text).toContain('.listen(3000)');
  writeFileSync(join(fresh, `${name}.mjs`), text.replace('.listen(3000)', `.listen(${port})`));
  const env = {
    WEBHOOK_SECRET: secret,
    DATABASE_URL: database.url,
    GITHUB_SECRET: 'the secret at GitHub',
    STRIPE_SECRET: 'whsec_the_secret_at_Stripe',
    POSTHORN_URL: server.url,
    POSTHORN_TOKEN: server.token,
  };
  const program = start([[process.execPath, `${name}.mjs`]], env, fresh);
  running.add(program);
  await program.listening(port);
  return {
    program,
    url,
    secret,
    deliver: async () => {
      const message = { eventType: 'invoice.paid', payload: { invoice: 42 } };
      const { body } = await server.call('POST', `${app}/msg`, message);
      return (await attemptsOf(server, app, body.id, ({ length }) => length === 1))[0];
    },
    again: async ({ msgId }) => {
      await server.call('POST', `${app}/msg/${msgId}/endpoint/${endpoint.id}/resend`, {});
      return (await attemptsOf(server, app, msgId, ({ length }) => length === 2))[1];
    },
  };
};

const post = (url: string, headers: Record<string, string>, body: string): Promise<Response> =>
  fetch(url, { method: 'POST', headers, body });

describePage('docs/receiving.md', {
  'npm install @posthorn/receiver': async (text) => {
    const [packed = ''] = (
      await runTool('npm', ['pack', '--silent', '--pack-destination', fresh], {
        cwd: join(repository, 'packages/receiver'),
      })
    ).match(/\S+\.tgz/) ?? [''];
    const [line = ''] = commandsOf(text);
    const args = line.replace('@posthorn/receiver', join(fresh, packed)).split(' ').slice(1);
    await runTool('npm', args, { cwd: fresh });
  },

  'event.id, event.json()': async (text) => {
    const { program, deliver, url } = await serve(text);
    const { msgId, responseStatusCode } = await deliver();
    expect(responseStatusCode).toBe(200);
    expect(program.said()).toContain(`received ${msgId} { invoice: 42 }`);
    expect((await post(url, {}, '{}')).status).toBe(400);
  },

  'const store = postgresDedup(pool);': async (text) => {
    const { program, deliver, again } = await serve(text);
    const first = await deliver();
    const second = await again(first);
    expect([first.response, second.response].map((answer) => JSON.parse(answer).status)).toEqual([
      'processed',
      'duplicate',
    ]);
    expect(program.said().match(/received/g)).toHaveLength(1);
  },

  'insert into payment': async (text) => {
    const { deliver, again } = await serve(text);
    const first = await deliver();
    expect(first.responseStatusCode).toBe(200);
    expect((await again(first)).responseStatusCode).toBe(200);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query('select * from payment');
    await client.end();
    expect(rows).toEqual([{ invoice: 42, event: first.msgId }]);
  },

  'workInTransaction(inbox': async (text) => {
    const { program, deliver, again } = await serve(text);
    const first = await deliver();
    expect(first.responseStatusCode).toBe(202);
    await program.saysSoon(`working on ${first.msgId} attempt 1`);
    expect((await again(first)).responseStatusCode).toBe(200);
    program.signal('SIGTERM');
    await program.endsWell();
    expect(program.said().match(/working on/g)).toHaveLength(1);
  },

  'github: github(process.env.GITHUB_SECRET)': async (text) => {
    const { program, url } = await serve(text);
    const ping = '{"zen":"…"}';
    const delivery = { 'x-github-delivery': 'guid-1', 'x-github-event': 'ping' };
    const hub = await signHmac(GITHUB, 'the secret at GitHub', ping);
    expect((await post(`${url}/github`, { ...delivery, ...hub }, ping)).status).toBe(200);
    const paid = '{"id":"evt_1","type":"invoice.paid"}';
    const stripe = await signHmac(STRIPE, 'whsec_the_secret_at_Stripe', paid);
    expect((await post(`${url}/stripe`, stripe, paid)).status).toBe(200);
    expect((await post(`${url}/github`, stripe, paid)).status).toBe(400);
    expect((await post(`${url}/nobody`, stripe, paid)).status).toBe(404);
    expect(program.said()).toBe('github ping guid-1\nstripe invoice.paid evt_1\n');
  },

  'const schema = z.object': async (text) => {
    const { program, deliver, url, secret } = await serve(text);
    expect((await deliver()).responseStatusCode).toBe(200);
    expect(program.said()).toContain('invoice 42');
    const body = '{"invoice":"42"}';
    const refused = await post(url, await sign(body, secret, { id: 'msg_1' }), body);
    expect(refused.status).toBe(422);
    expect(await refused.json()).toMatchObject({ error: 'schema_mismatch', field: 'invoice' });
  },

  "from '@posthorn/receiver/seen'": async (text) => {
    const { deliver, url } = await serve(text);
    await deliver();
    await post(url, {}, '{}');
    const counts = await (await fetch(new URL('/counts', url))).json();
    expect(counts).toMatchObject({
      'standard-webhooks': { received: 2, processed: 1, rejected: { missing_header: 1 } },
    });
  },

  "import { verify } from '@posthorn/receiver'": async (text) => {
    const { deliver, url, secret } = await serve(text);
    expect((await deliver()).responseStatusCode).toBe(204);
    const forged = await post(url, await sign('{}', secret, { id: 'msg_1' }), '{"a":1}');
    expect([forged.status, await forged.text()]).toEqual([401, 'signature_mismatch']);
  },
});
