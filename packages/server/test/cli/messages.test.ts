// Commands that send, show, replay and verify, against a real server.
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startReceiver } from '../journey/harness.ts';
import { freePort } from '../ports.ts';
import { bash, launcher, posthorn, run, temporaryDirectory } from './posthorn.ts';
import { commandsOn, startRealServer, type RealServer, type Shown } from './real-server.ts';

let server: RealServer;
beforeAll(async () => {
  // One attempt: what fails is a dead letter at once.
  server = await startRealServer({ POSTHORN_RETRY_SCHEDULE: '' });
});
afterAll(() => server.close());

const { cli, json, newApp } = commandsOn(() => server);

describe('send and trigger', () => {
  it('send the bytes and wait for what becomes of them', async () => {
    const receiver = await startReceiver(
      (arrival, response) =>
        void response.writeHead(arrival.body.includes('bad') ? 500 : 200).end('no, "bad"'),
    );
    await newApp('sends', receiver.url);
    const good = await json(
      'send',
      'a.b',
      '{"n": 1}',
      '--app',
      'sends',
      '--wait',
      '--event-id',
      'e1',
      '--channels',
      'c1,c2',
      '--tags',
      't',
    );
    expect(good).toMatchObject({ delivered: true, deliveries: [{ endpoint: 'hook', status: 'success' }] });
    expect(await json('messages', 'get', 'e1', '--app', 'sends')).toMatchObject({
      id: good['id'],
      channels: ['c1', 'c2'],
      tags: ['t'],
      payload: { n: 1 },
    });
    const bad = await cli('send', 'a.b', '{"bad":true}', '--app', 'sends', '--wait', '--json');
    expect(bad.code).toBe(1);
    expect(JSON.parse(bad.out)).toMatchObject({
      delivered: false,
      deliveries: [{ status: 'fail', cause: 'http_500', response: 'no, "bad"' }],
    });
    const toPeople = await cli('send', 'a.b', '{"bad":true}', '--app', 'sends', '--wait');
    expect(toPeople.out).toMatch(/fail {2}hook {2}http_500 {2}no, "bad"/);
    const directory = await temporaryDirectory();
    await writeFile(`${directory}/raw`, Buffer.from([0xff, 0, 1]));
    await json(
      'send',
      'a.b',
      `@${directory}/raw`,
      '--content-type',
      'application/octet-stream',
      '--app',
      'sends',
      '--wait',
    );
    const last = receiver.arrivals.at(-1)!;
    expect([last.body, last.headers['content-type']]).toEqual([
      Buffer.from([0xff, 0, 1]),
      'application/octet-stream',
    ]);
    await receiver.close();
  });

  it('make the payload from the event type', async () => {
    await newApp('triggers');
    const schemas = JSON.stringify({
      1: { type: 'object', properties: { id: { type: 'integer', minimum: 3 } } },
    });
    await json('event-types', 'create', '--name', 'made.up', '--schemas', schemas);
    const { id } = await json('trigger', 'made.up', '--app', 'triggers');
    expect(await json('messages', 'get', String(id), '--app', 'triggers')).toMatchObject({
      payload: { id: 3 },
    });
    const unknown = await cli('trigger', 'not.described', '--app', 'triggers', '--dry-run', '--json');
    expect(unknown).toMatchObject({ code: 0, err: expect.stringContaining('is not described here') });
    expect(JSON.parse(unknown.out)).toMatchObject({ type: 'not.described' });
    expect((await json('messages', 'list', '--app', 'triggers'))['data']).toHaveLength(1);
  });

  it('say what is in the way, and nothing of payloads before', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`;
    const away = await run(['trigger', 'a.b'], { ...server.env, POSTHORN_URL: nobody });
    expect(away).toMatchObject({ code: 3, out: '', err: expect.stringContaining('posthorn dev') });
    expect(away.err).not.toContain('made up');
    const stranger = await run(['trigger', 'a.b', '--app', 'x'], { ...server.env, POSTHORN_TOKEN: 'x' });
    expect(stranger).toMatchObject({ code: 1, err: expect.stringContaining('posthorn token create') });
    expect(stranger.err).not.toContain('made up');
    const nowhere = await cli('trigger', 'a.b', '--app', 'no-such');
    expect(nowhere).toMatchObject({ code: 1, err: expect.stringContaining('404') });
  });

  it('make a payload up where the token may not read event types, and say why', async () => {
    const strict = createServer((_, response) => void response.writeHead(403).end('{"code":"forbidden"}'));
    await new Promise<void>((resolve) => strict.listen(0, '127.0.0.1', resolve));
    const { port } = strict.address() as AddressInfo;
    const env = { ...server.env, POSTHORN_URL: `http://127.0.0.1:${port}` };
    expect(await run(['trigger', 'a.b', '--dry-run'], env)).toMatchObject({
      code: 0,
      out: expect.stringContaining('"type": "a.b"'),
      err: expect.stringContaining('may not read event types'),
    });
    await new Promise((resolve) => strict.close(resolve));
  });
});

describe('tail and replay', () => {
  it('show attempts as they end, and deliver dead letters again', async () => {
    let isIll = true;
    const receiver = await startReceiver((_, response) => void response.writeHead(isIll ? 500 : 200).end());
    await newApp('tails', receiver.url);
    const tail = posthorn(['tail', '--app', 'tails', '--json', '--limit', '5'], { env: server.env });
    await tail.complained((err) => (err.includes('attempts of tails') ? err : null));
    const ids: unknown[] = [];
    for (const type of ['x', 'x', 'y'])
      ids.push(
        (JSON.parse((await cli('send', type, '--app', 'tails', '--wait', '--json')).out) as Shown)['id'],
      );
    const dry = await json('replay', '--app', 'tails', '--since', '1h', '--dry-run');
    expect(dry).toMatchObject({
      dryRun: true,
      count: 3,
      byEventType: [
        ['x', 2],
        ['y', 1],
      ],
    });
    expect(await json('replay', String(ids[2]), '--app', 'tails', '--dry-run')).toMatchObject({
      count: 1,
      dryRun: true,
    });
    expect(receiver.arrivals).toHaveLength(3);
    isIll = false;
    expect(await json('replay', '--app', 'tails', '--since', '1h', '--events', 'x')).toMatchObject({
      status: 'finished',
      started: 2,
    });
    expect(await tail.ended).toEqual({ code: 0, signal: null });
    const shown = tail
      .out()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Shown);
    expect(shown.map(({ responseStatusCode, endpoint }) => [responseStatusCode, endpoint])).toEqual([
      [500, 'hook'],
      [500, 'hook'],
      [500, 'hook'],
      [200, 'hook'],
      [200, 'hook'],
    ]);
    expect(await json('replay', String(ids[2]), '--app', 'tails')).toMatchObject({ count: 1 });
    await receiver.until((all) => all.length === 6);
    const nowhere = await cli('replay', String(ids[0]), '--app', 'tails', '--endpoint', 'other');
    expect(nowhere).toMatchObject({
      code: 1,
      err: expect.stringContaining('was not for the endpoint other'),
    });
    const succeeded = await json('replay', String(ids[0]), '--app', 'tails', '--dry-run');
    expect(succeeded).toMatchObject({ count: 0 });
    await receiver.close();
  });
});

describe('verify', () => {
  it('takes the secret from the endpoint, and the body from standard input', async () => {
    const receiver = await startReceiver();
    await newApp('verifies', receiver.url);
    await json('send', 'a', '{"n":1}', '--app', 'verifies', '--wait');
    const { headers, body } = receiver.arrivals[0]!;
    await receiver.close();
    const directory = await temporaryDirectory();
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`);
    await writeFile(`${directory}/headers`, head.join('\n'));
    await writeFile(`${directory}/request`, `${head.join('\r\n')}\r\n\r\n${body.toString()}`);
    expect(
      await json('verify', `${directory}/request`, '--endpoint', 'hook', '--app', 'verifies'),
    ).toMatchObject({ ok: true });
    const verified = `'${process.execPath}' '${launcher}' verify - --headers ${directory}/headers --json`;
    const secret = (await cli('endpoints', 'secret', 'hook', '--app', 'verifies')).out.trim();
    expect(
      JSON.parse(await bash(`printf '%s' '{"n":1}' | WEBHOOK_SECRET=${secret} ${verified}`)),
    ).toMatchObject({ ok: true });
    const changed = JSON.parse(
      await bash(`printf '%s' '{"n":2}' | WEBHOOK_SECRET=${secret} ${verified} || true`),
    ) as Shown;
    expect(changed).toMatchObject({ ok: false, code: 'signature_mismatch' });
    expect((await cli('verify', `${directory}/headers`)).code).toBe(2);
  });
});
