// `posthorn start`: what a production server says, serves, refuses and leaves behind.
import { writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { authority, goodLeaf, leafKey } from '../certificates.ts';
import { startFaultProxy } from '../../../../tools/fault-proxy/postgres.ts';
import { startReceiver } from '../journey/harness.ts';
import { useTestDatabase } from '../postgres.ts';
import type { Posthorn } from './child.ts';
import { freePort, occupy } from '../ports.ts';
import {
  api,
  eventually,
  freshPlace,
  JWT_SECRET,
  MAIN_SECRET,
  posthorn,
  postgresOf,
  run,
  temporaryDirectory,
} from './posthorn.ts';

const database = useTestDatabase();

type LogLine = { readonly level: number; readonly msg: string; readonly [field: string]: unknown };

const logOf = (command: Posthorn): LogLine[] => {
  const lines = command.out().split('\n');
  // The last one may be half of a line.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as LogLine);
};

/** Resolves with the URL once it has logged that it is ready. */
const ready = (command: Posthorn): Promise<string> =>
  command.said(() => logOf(command).find(({ msg }) => msg === 'ready')?.['url'] as string | undefined);

const secrets = { POSTHORN_JWT_SECRET: JWT_SECRET, POSTHORN_MAIN_SECRET: MAIN_SECRET };

const settings = async (more: Record<string, string> = {}): Promise<Record<string, string>> => ({
  ...secrets,
  DATABASE_URL: database.url,
  POSTHORN_LISTEN: `127.0.0.1:${await freePort()}`,
  ...more,
});

const newToken = async (...flags: string[]): Promise<string> =>
  (await run(['token', 'create', ...flags], { POSTHORN_JWT_SECRET: JWT_SECRET })).out.trim();

const stop = async (command: Posthorn): Promise<void> => {
  command.signal('SIGTERM');
  expect(await command.ended).toEqual({ code: 0, signal: null });
};

describe('a running server', () => {
  it('logs one JSON line per attempt and no payload, header or secret, and counts', async () => {
    const canary = `canary-${Math.random().toString(36).slice(2)}`;
    const directory = await temporaryDirectory();
    await writeFile(join(directory, 'jwt'), `${JWT_SECRET}\n`);
    await writeFile(join(directory, 'main'), MAIN_SECRET);
    await writeFile(join(directory, 'url'), `${database.url}\n`);
    await writeFile(
      join(directory, 'posthorn.yaml'),
      'allowSubnets: [127.0.0.0/8]\nretrySchedule: "0.05"\nlogLevel: error\n',
    );
    const command = posthorn(
      ['start', '--config', join(directory, 'posthorn.yaml'), '--log-level', 'debug'],
      {
        env: {
          DATABASE_URL_FILE: join(directory, 'url'),
          POSTHORN_JWT_SECRET_FILE: join(directory, 'jwt'),
          POSTHORN_MAIN_SECRET_FILE: join(directory, 'main'),
          POSTHORN_LISTEN: `127.0.0.1:${await freePort()}`,
        },
      },
    );
    const url = await ready(command);
    const token = await newToken();
    const receiver = await startReceiver((_, response, count) =>
      response.writeHead(count === 1 ? 500 : 200, { 'x-canary': canary }).end(canary),
    );
    const { body: application } = await api(url, token, 'POST', '/app', { name: canary, uid: 'logs' });
    const { body: endpoint } = await api(url, token, 'POST', '/app/logs/endpoint', {
      url: `${receiver.url}?key=${canary}`,
      secret: `whsec_${Buffer.from(`${canary}-signs-with-this-secret`).toString('base64')}`,
      headers: { 'x-key': canary },
    });
    const { body: message } = await api(url, token, 'POST', '/app/logs/msg', {
      eventType: 'a.b',
      payload: { canary },
    });
    await command.said(() => logOf(command).filter(({ msg }) => msg === 'attempt')[1]);

    const attempts = logOf(command).filter(({ msg }) => msg === 'attempt');
    const ids = {
      app: application.id,
      endpoint: endpoint.id,
      message: message.id,
      attempt: expect.stringMatching(/^atmpt_/),
    };
    expect(attempts).toMatchObject([
      {
        ...ids,
        outcome: expect.stringContaining('500'),
        verdict: 'retry',
        next: expect.stringMatching(/^20/),
        ms: expect.any(Number),
      },
      { ...ids, outcome: 'succeeded', verdict: 'succeeded', ms: expect.any(Number) },
    ]);

    const metrics = await (await fetch(`${url}/metrics`)).text();
    const ours = new Set([...metrics.matchAll(/^# TYPE (posthorn_\w+)/gm)].map(([, name]) => name));
    expect(ours.size).toBeGreaterThanOrEqual(12);
    expect(metrics).toContain('posthorn_messages_total{result="accepted"} 1\n');
    expect(metrics).toContain('posthorn_delivery_attempts_total{outcome="succeeded"} 1\n');
    expect(metrics).toContain('posthorn_delivery_attempts_total{outcome="http_5xx"} 1\n');

    await stop(command);
    await receiver.close();
    expect(logOf(command).map(({ msg }) => msg)).toEqual(
      expect.arrayContaining(['ready', 'stopping', 'stopped']),
    );
    const said = command.out() + command.err() + metrics;
    for (const secret of [canary, JWT_SECRET, MAIN_SECRET, token, new URL(database.url).password].filter(
      Boolean,
    ))
      expect(said).not.toContain(secret);
    expect(command.err()).toBe('');
  });

  it('lets no endpoint point into its own network', async () => {
    const directory = await temporaryDirectory();
    // Stands in for a name server that somebody else controls.
    await writeFile(
      join(directory, 'names.mjs'),
      `import { promises as dns } from 'node:dns';
       dns.Resolver.prototype.resolve4 = async () => ['127.0.0.1'];
       dns.Resolver.prototype.resolve6 = async () => { throw Object.assign(new Error('none'), { code: 'ENODATA' }); };`,
    );
    const command = posthorn(['start'], {
      env: await settings({
        NODE_OPTIONS: `--import ${join(directory, 'names.mjs')}`,
        POSTHORN_RETRY_SCHEDULE: '',
      }),
    });
    const url = await ready(command);
    const token = await newToken();
    await api(url, token, 'POST', '/app', { name: 'Guarded', uid: 'guarded' });
    const accepts = async (target: string): Promise<number> =>
      (await api(url, token, 'POST', '/app/guarded/endpoint', { url: target })).status;
    const own = ['http://127.0.0.1:9999/', 'https://127.0.0.1:9999/', 'https://[::1]/', 'https://10.1.2.3/'];
    const forbidden = [...own, 'https://localhost/', 'http://example.com/'];
    expect(await Promise.all(forbidden.map(accepts))).toEqual(forbidden.map(() => 422));
    expect(await accepts('https://receiver.example/')).toBe(201);
    const { body: message } = await api(url, token, 'POST', '/app/guarded/msg', {
      eventType: 'a.b',
      payload: {},
    });
    const attempt = await command.said(() => logOf(command).find(({ msg }) => msg === 'attempt'));
    expect(attempt).toMatchObject({ message: message.id, outcome: 'blocked_address', verdict: 'dead' });
    await stop(command);
  });

  it('serves https with its certificate', async () => {
    const directory = await temporaryDirectory();
    await writeFile(join(directory, 'cert.pem'), goodLeaf);
    await writeFile(join(directory, 'key.pem'), leafKey);
    const tls = {
      POSTHORN_TLS_CERT: join(directory, 'cert.pem'),
      POSTHORN_TLS_KEY: join(directory, 'key.pem'),
    };
    const env = await settings(tls);
    const command = posthorn(['start'], { env });
    const url = await ready(command);
    expect(url).toMatch(/^https:/);
    const status = await new Promise((resolve, reject) => {
      request(`${url}/livez`, { ca: authority, agent: false }, (response) =>
        resolve(response.resume().statusCode),
      )
        .once('error', reject)
        .end();
    });
    expect(status).toBe(200);
    await writeFile(join(directory, 'ca.pem'), authority);
    const trusting = {
      ...tls,
      POSTHORN_LISTEN: env['POSTHORN_LISTEN'],
      NODE_EXTRA_CA_CERTS: join(directory, 'ca.pem'),
    };
    expect(await run(['health'], trusting)).toMatchObject({ code: 0, out: '{"status":"ready"}\n' });
    const distrusting = await run(['health'], { ...trusting, NODE_EXTRA_CA_CERTS: undefined });
    expect(distrusting).toMatchObject({
      code: 3,
      out: '',
      err: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    });
    await stop(command);
  });
});

describe('SIGTERM', () => {
  it('takes nothing new, lets what is in flight end, and exits with 0 within the grace time', async () => {
    const command = posthorn(['start'], {
      env: await settings({ POSTHORN_ALLOW_SUBNETS: '127.0.0.0/8', POSTHORN_GRACE: '10' }),
    });
    const url = await ready(command);
    const token = await newToken();
    let finish = (): void => {};
    const receiver = await startReceiver((_, response) => {
      finish = () => void response.writeHead(200).end();
    });
    await api(url, token, 'POST', '/app', { name: 'Slow', uid: 'slow' });
    await api(url, token, 'POST', '/app/slow/endpoint', { url: receiver.url });
    const { body: message } = await api(url, token, 'POST', '/app/slow/msg', {
      eventType: 'a.b',
      payload: {},
    });
    await receiver.until((arrivals) => arrivals.length === 1);
    command.signal('SIGTERM');
    await command.said(() => logOf(command).find(({ msg }) => msg === 'stopping'));
    await eventually('new requests to be refused', () =>
      fetch(`${url}/livez`).then(
        () => false,
        () => true,
      ),
    );
    finish();
    expect(await command.ended).toEqual({ code: 0, signal: null });
    expect(logOf(command).filter(({ msg }) => msg === 'attempt')).toMatchObject([
      { message: message.id, verdict: 'succeeded' },
    ]);
    await receiver.close();
  });

  it('hands back what does not end within the grace time, and the next process delivers it', async () => {
    const env = await settings({ POSTHORN_ALLOW_SUBNETS: '127.0.0.0/8', POSTHORN_GRACE: '0.5' });
    const command = posthorn(['start'], { env });
    const url = await ready(command);
    const token = await newToken();
    const receiver = await startReceiver((_, response, count) => {
      if (count > 1) response.writeHead(200).end();
    });
    await api(url, token, 'POST', '/app', { name: 'Hanging', uid: 'hanging' });
    await api(url, token, 'POST', '/app/hanging/endpoint', { url: receiver.url });
    const { body: message } = await api(url, token, 'POST', '/app/hanging/msg', {
      eventType: 'a.b',
      payload: {},
    });
    await receiver.until((arrivals) => arrivals.length === 1);
    const startedMs = performance.now();
    await stop(command);
    expect(performance.now() - startedMs).toBeLessThan(2_500);

    const next = posthorn(['start'], { env });
    await ready(next);
    const arrivals = await receiver.until((all) => all.length === 2);
    expect(arrivals.map(({ headers }) => headers['webhook-id'])).toEqual([message.id, message.id]);
    await stop(next);
    await receiver.close();
  });
});

describe('the embedded database in production', () => {
  it('runs when it is asked for, and logs JSON only', async () => {
    const place = await freshPlace();
    const command = posthorn(['start', '--embedded'], { env: { ...secrets, ...place } });
    const url = await ready(command);
    expect((await api(url, await newToken(), 'POST', '/app', { name: 'A' })).status).toBe(201);
    expect(await fetch(`${url}/demo/receiver`, { method: 'POST' })).toMatchObject({ status: 404 });
    await stop(command);
    expect(await postgresOf(place.POSTHORN_DATA_DIR)).toEqual([]);

    const release = await occupy(Number(place.POSTHORN_LISTEN.split(':')[1]));
    const { code, err } = await run(['start'], { ...secrets, ...place, POSTHORN_EMBEDDED: 'true' });
    await release?.();
    expect(code).toBe(2);
    expect(err).toContain(`POSTHORN_LISTEN ${place.POSTHORN_LISTEN} is in use by another program`);
    expect(await postgresOf(place.POSTHORN_DATA_DIR)).toEqual([]);
  });
});

// Last: what this process could not give up, others on the same database get when its lease ends.
describe('without its database', () => {
  it('is alive but not ready while its database is away', async () => {
    const proxy = await startFaultProxy(database.url);
    const command = posthorn(['start'], { env: await settings({ DATABASE_URL: proxy.url }) });
    const url = await ready(command);
    const { host } = new URL(url);
    const status = async (path: string): Promise<number> => (await fetch(`${url}${path}`)).status;
    expect([await status('/livez'), await status('/readyz')]).toEqual([200, 200]);
    expect((await run(['health'], { POSTHORN_LISTEN: host })).code).toBe(0);
    await proxy.close();
    await eventually('it not to be ready', async () => (await status('/readyz')) === 503);
    expect(await status('/livez')).toBe(200);
    expect(await run(['health'], { POSTHORN_LISTEN: host })).toMatchObject({
      code: 1,
      out: '{"status":"not ready"}\n',
    });
    await stop(command);
  });
});
