// `posthorn dev` as a newcomer meets it, on one data directory: first start, second start, reset.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { startReceiver } from '../journey/harness.ts';
import type { Posthorn } from './child.ts';
import { occupy } from '../ports.ts';
import {
  api,
  bash,
  devFacts,
  eventually,
  freshPlace,
  postgresOf,
  posthorn,
  run,
  textOf,
} from './posthorn.ts';

let place: Awaited<ReturnType<typeof freshPlace>>;
let first: Posthorn;
let text: string;
let token: string;
let url: string;
const messages: string[] = [];

const postgresPort = (): number => Number(/on port (\d+)/.exec(text)?.[1]);

beforeAll(async () => {
  place = await freshPlace();
  url = `http://${place.POSTHORN_LISTEN}`;
  first = posthorn(['dev'], { env: place });
  text = await first.said(textOf);
  token = /TOKEN=(\S+)/.exec(text)?.[1] ?? '';
});

describe('the first start', () => {
  it('says in thirteen lines where everything is and what has happened', () => {
    const lines = text.split('\n').filter((line) => line !== '');
    expect(lines).toHaveLength(13);
    expect(lines.filter((line) => line.length > 100).map((line) => line.slice(0, 8))).toEqual(['  export']);
    expect(text).toContain(`api        ${url}/api/v1\n`);
    expect(text).toMatch(/database {3}PostgreSQL \d\d\.\d+ on port \d+, data in /);
    expect(text).toContain(place.POSTHORN_DATA_DIR);
    expect(text).toMatch(/sent {7}demo\.started msg_\w{27} to http:\S+\/demo\/receiver\n/);
    expect(text).toMatch(/answer {5}200 in \d+ ms, signature verified\n/);
    expect(text).toMatch(/may be local here, unlike with posthorn start/);
    expect(text).toContain('DATABASE_URL=… POSTHORN_JWT_SECRET=… POSTHORN_MAIN_SECRET=… npx posthorn start');
    expect(text).toContain('--reset wipes it');
    expect(token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    messages.push(/sent .*(msg_\w+)/.exec(text)?.[1] ?? '');
  });

  it('says on standard error that it makes a database, and nothing else', () => {
    expect(first.err()).toMatch(/^ {2}Creating a PostgreSQL \S+ database in \S+\n$/);
  });

  it('prints a command that works as it is, pasted into a shell', async () => {
    const pasted = /( {2}export TOKEN=[^]*?\}\}'\n)/.exec(text)?.[1] ?? '';
    const answer = JSON.parse(await bash(`${pasted.replace('curl ', 'curl -sS --fail-with-body ')}`)) as {
      id: string;
    };
    expect(answer).toMatchObject({
      id: expect.stringMatching(/^msg_/),
      eventType: 'user.created',
      payload: { id: 1 },
    });
    await first.said((out) => out.includes(`received   ${answer.id}, signature verified\n`) || null);
    messages.push(answer.id);
  });

  it('lets a webhook through to a receiver on this machine', async () => {
    const receiver = await startReceiver();
    try {
      const { body: endpoint } = await api(url, token, 'POST', '/app/demo/endpoint', { url: receiver.url });
      const { body: message } = await api(url, token, 'POST', '/app/demo/msg', {
        eventType: 'a.b',
        payload: {},
      });
      await receiver.until((arrivals) => arrivals.length > 0);
      expect(receiver.arrivals.map(({ headers }) => headers['webhook-id'])).toEqual([message.id]);
      await api(url, token, 'DELETE', `/app/demo/endpoint/${endpoint.id}`);
    } finally {
      await receiver.close();
    }
  });

  it('keeps its secrets to their owner', async () => {
    const written = JSON.parse(await readFile(join(place.POSTHORN_DATA_DIR, 'dev.json'), 'utf8'));
    expect(written).toMatchObject({ token });
    for (const secret of [written.jwtSecret, written.mainSecret])
      expect(first.out() + first.err()).not.toContain(secret);
  });
});

describe('while it runs', () => {
  it('tells a second one on the same data who holds it', async () => {
    const { code, out, err } = await run(['dev'], { ...place, POSTHORN_LISTEN: '127.0.0.1:0' });
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(
      new RegExp(`^posthorn: .*process ${first.pid}\\).* uses the data directory ${place.POSTHORN_DATA_DIR}`),
    );
    expect(err).not.toMatch(/\n\s+at /);
  });

  it('does not let the data be wiped', async () => {
    const { code, out, err } = await run(['dev', '--reset'], place);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(`process ${first.pid} is using ${place.POSTHORN_DATA_DIR}`);
    expect((await api(url, token, 'GET', '/app/demo')).status).toBe(200);
  });

  it('gives its secret to token create', async () => {
    const { code, out } = await run(['token', 'create'], { POSTHORN_DATA_DIR: place.POSTHORN_DATA_DIR });
    expect(code).toBe(0);
    expect((await api(url, out.trim(), 'GET', '/app/demo')).status).toBe(200);
  });

  it('ends with everything it started within a second of Ctrl-C, which npm makes two of', async () => {
    const startedMs = performance.now();
    first.signal('SIGINT');
    first.signal('SIGINT');
    expect(await first.ended).toEqual({ code: 0, signal: null });
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    expect(await postgresOf(place.POSTHORN_DATA_DIR)).toEqual([]);
    await (
      await occupy(postgresPort())
    )?.();
  });
});

describe('the second start', () => {
  it('shows the same facts as one object, with the same token', async () => {
    const second = posthorn(['dev', '--json'], { env: place });
    const facts = await second.said(devFacts);
    expect(facts).toMatchObject({
      url,
      api: `${url}/api/v1`,
      receiver: `${url}/demo/receiver`,
      token,
      orgId: expect.stringMatching(/^org_/),
      dataDir: place.POSTHORN_DATA_DIR,
      postgres: { port: postgresPort(), version: expect.stringMatching(/^\d\d\./) },
      demo: { kind: 'delivered', verified: true, messageId: expect.stringMatching(/^msg_/) },
      movedFrom: null,
    });
    expect(JSON.parse(await bash(facts.curl.replace('curl ', 'curl -sS --fail-with-body ')))).toMatchObject({
      eventType: 'user.created',
    });

    const password = (await readFile(join(place.POSTHORN_DATA_DIR, 'postgres.password'), 'utf8')).trim();
    second.signal('SIGTERM');
    expect(await second.ended).toEqual({ code: 0, signal: null });
    expect(second.out().trim().split('\n')).toHaveLength(1);
    expect(second.out() + second.err()).not.toContain(password);
  });

  it('keeps the history', async () => {
    const third = posthorn(['dev', '--json'], { env: place });
    await third.said(devFacts);
    expect(messages).toHaveLength(2);
    for (const id of messages) {
      expect((await api(url, token, 'GET', `/app/demo/msg/${id}`)).body).toMatchObject({ id });
      const { body } = await api(url, token, 'GET', `/app/demo/attempt/msg/${id}`);
      expect(body.data).toMatchObject([{ status: 0, responseStatusCode: 200 }]);
    }
    third.signal('SIGINT');
    expect(await third.ended).toEqual({ code: 0, signal: null });
  });

  it('begins anew with --reset', async () => {
    const fresh = posthorn(['--reset', '--json'], { env: place });
    const facts = await fresh.said(devFacts);
    expect(facts.token).not.toBe(token);
    expect((await api(url, token, 'GET', '/app/demo')).status).toBe(401);
    expect((await api(url, facts.token, 'GET', `/app/demo/msg/${messages[0] ?? 'none'}`)).status).toBe(404);
    const { body } = await api(url, facts.token, 'GET', '/app/demo/msg');
    expect(body.data).toHaveLength(1);
    fresh.signal('SIGINT');
    expect(await fresh.ended).toEqual({ code: 0, signal: null });
    await eventually(
      'no server process',
      async () => (await postgresOf(place.POSTHORN_DATA_DIR)).length === 0,
    );
  });
});
