// Each example as its README says: its own tests, then started against a real Posthorn.
import { existsSync, globSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serve } from '@hono/node-server';
import { sign } from '@posthorn/receiver';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { runTool } from '../docs/test/install.ts';
import { commandsOf, snippetsOf } from '../docs/test/page.ts';
import { type Running, start } from '../docs/test/running.ts';
import {
  attemptsOf,
  createApplication,
  createEndpoint,
  startReceiver,
  startTestServer,
  type TestServer,
} from '../packages/server/test/journey/harness.ts';
import { freePort } from '../packages/server/test/ports.ts';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
/** The repository's node before the machine's, as npm run finds it. */
const PATH = `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`;

let server: TestServer;
const running = new Set<Running>();

beforeAll(async () => {
  server = await startTestServer();
});
afterEach(async () => {
  await Promise.all([...running].map((one) => one.kill()));
  running.clear();
});
afterAll(() => server?.stop());

type Manifest = {
  readonly version: string;
  readonly scripts: { readonly start: string; readonly [name: string]: string };
  readonly dependencies: Readonly<Record<string, string>>;
};

/** What `npm start` would run, without npm in between, which would not pass a signal on. */
const startCommand = (example: string): string[] => {
  const { scripts } = JSON.parse(readFileSync(at(`./${example}/package.json`), 'utf8')) as Manifest;
  return scripts.start.split(' ');
};

const startExample = (example: string, env: Record<string, string>): Running => {
  const one = start([startCommand(example)], { PATH, ...env }, at(`./${example}`));
  running.add(one);
  return one;
};

/** A delivery and its resend: the first is handled, the second only acknowledged. */
const deliverTwice = async (app: string, endpointId: string): Promise<string> => {
  const message = { eventType: 'invoice.paid', payload: { invoice: 42 } };
  const { body } = await server.call('POST', `${app}/msg`, message);
  const [first] = await attemptsOf(server, app, body.id, ({ length }) => length === 1);
  expect(first.response).toBe(JSON.stringify({ status: 'processed', id: body.id }));
  await server.call('POST', `${app}/msg/${body.id}/endpoint/${endpointId}/resend`, {});
  const [, second] = await attemptsOf(server, app, body.id, ({ length }) => length === 2);
  expect(second.response).toBe(JSON.stringify({ status: 'duplicate', id: body.id }));
  return body.id;
};

const expectOwnTests = async (example: string): Promise<void> =>
  expect(await runTool('npm', ['test'], { cwd: at(`./${example}`), env: { PATH } })).toMatch(/pass [23]\b/);

const expectRefusals = async (url: string, secret: string): Promise<void> => {
  const body = '{"invoice":42}';
  const post = async (headers: Record<string, string>): Promise<number> =>
    (await fetch(url, { method: 'POST', headers, body })).status;
  expect(await post(await sign(`${body} `, secret, { id: 'msg_changed' }))).toBe(401);
  expect(await post(await sign(body, secret, { id: 'msg_old', nowMs: Date.now() - 600_000 }))).toBe(401);
  expect(await post({})).toBe(400);
};

describe('the examples', () => {
  it.each(globSync('*/README.md', { cwd: at('.') }))('%s names commands that there are', (readme) => {
    const { scripts } = JSON.parse(readFileSync(at(`./${dirname(readme)}/package.json`), 'utf8')) as Manifest;
    const blocks = snippetsOf(readFileSync(at(`./${readme}`), 'utf8')).flatMap(({ text }) =>
      commandsOf(text),
    );
    const commands = blocks
      .flatMap((line) => line.split(' && '))
      .map((line) => line.replace(/^[A-Z_]+=\S+ /, ''));
    const known = Object.keys(scripts).flatMap((name) => [`npm ${name}`, `npm run ${name}`]);
    expect(commands).toContain('npm install');
    expect(['npm install', ...known]).toEqual(expect.arrayContaining(commands));
  });

  it('ask for the versions that they are tested with', () => {
    for (const manifest of globSync('*/package.json', { cwd: at('.') })) {
      const { dependencies } = JSON.parse(readFileSync(at(`./${manifest}`), 'utf8')) as Manifest;
      for (const [name, range] of Object.entries(dependencies)) {
        const installed = at(`../node_modules/${name}/package.json`);
        if (!existsSync(installed)) {
          expect(manifest).toBe('receiver-next/package.json');
          continue;
        }
        const { version } = JSON.parse(readFileSync(installed, 'utf8')) as Manifest;
        const [major, minor = 0] = version.split('.').map(Number);
        const [wantedMajor, wantedMinor = 0] = range.replace('^', '').split('.').map(Number);
        expect([name, major, minor >= wantedMinor]).toEqual([name, wantedMajor, true]);
      }
    }
  });
});

describe.each(['receiver-express', 'receiver-hono'])('examples/%s', (example) => {
  it('passes its own tests', () => expectOwnTests(example));

  it('handles deliveries of Posthorn once and refuses the rest', async () => {
    const app = await createApplication(server, example);
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/webhooks`;
    const endpoint = await createEndpoint(server, app, { url });
    const secret = (await server.call('GET', `${app}/endpoint/${endpoint.id}/secret`)).body.key;
    const receiver = startExample(example, { WEBHOOK_SECRET: secret, PORT: String(port) });
    await receiver.listening(port);
    const id = await deliverTwice(app, endpoint.id);
    await expectRefusals(url, secret);
    expect(receiver.said().match(/handled .*/g)).toEqual([`handled ${id} { invoice: 42 }`]);
  });

  it('does not start without a secret', async () => {
    const receiver = startExample(example, { WEBHOOK_SECRET: '', PORT: String(await freePort()) });
    expect(await receiver.ended).not.toBe(0);
    expect(receiver.said()).toContain('WEBHOOK_SECRET');
  });
});

describe('examples/receiver-next', () => {
  it('passes its own tests', () => expectOwnTests('receiver-next'));

  // `next build` needs an installation of 340 MB; a route handler is a function that any server can call.
  it('handles deliveries of Posthorn once and refuses the rest', async () => {
    const app = await createApplication(server, 'receiver-next');
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/webhooks`;
    const endpoint = await createEndpoint(server, app, { url });
    const secret = (await server.call('GET', `${app}/endpoint/${endpoint.id}/secret`)).body.key;
    vi.stubEnv('WEBHOOK_SECRET', secret);
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    const { POST } = await import('./receiver-next/app/webhooks/route.ts');
    const next = serve({ fetch: POST, port, hostname: '127.0.0.1' }) as Server;
    try {
      const id = await deliverTwice(app, endpoint.id);
      await expectRefusals(url, secret);
      expect(log.mock.calls).toEqual([['handled', id, { invoice: 42 }]]);
    } finally {
      log.mockRestore();
      vi.unstubAllEnvs();
      next.close();
      next.closeAllConnections();
    }
  });
});

describe('examples/sender', () => {
  it('sends a message that arrives', async () => {
    const receiver = await startReceiver();
    try {
      const app = await createApplication(server, 'customer-1');
      await createEndpoint(server, app, { url: receiver.url });
      const sender = startExample('sender', { POSTHORN_TOKEN: server.token, POSTHORN_URL: server.url });
      await sender.endsWell();
      const [arrival] = await receiver.until((arrivals) => arrivals.length === 1);
      expect(JSON.parse(String(arrival?.body))).toEqual({ invoice: 42 });
      expect(sender.said()).toContain(`sent ${String(arrival?.headers['webhook-id'])}`);
    } finally {
      await receiver.close();
    }
  });
});
