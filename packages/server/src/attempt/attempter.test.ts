import { verify } from '@posthorn/receiver';
import { describe, expect, it, vi } from 'vitest';
import { headerPairs } from '../domain/attempt.ts';
import { attempterFor, hookSecret, requestTo } from '../../test/attempting.ts';
import { answering, ok, rawReceiver } from '../../test/raw-receiver.ts';

const headersOf = (head: string): Record<string, string> =>
  Object.fromEntries(
    head
      .split('\r\n')
      .slice(1)
      .map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
  );

describe('deliver', () => {
  it('posts the bytes, signed, and reports all of it', async () => {
    const receiver = await rawReceiver(
      answering('HTTP/1.1 202 Accepted\r\nX-Seen: 1\r\ncontent-length: 2\r\n\r\nok'),
    );
    const payload = Buffer.from([0x7b, 0xff, 0x00, 0x7d]);
    const request = requestTo(receiver.port, { payload, contentType: 'application/octet-stream' });
    const report = await attempterFor().deliver(request);

    const [sent] = receiver.requests;
    expect(sent?.head.split('\r\n')[0]).toBe('POST /hook?x=1 HTTP/1.1');
    expect(sent?.body).toEqual(payload);
    const headers = headersOf(sent?.head ?? '');
    expect(headers).toMatchObject({
      host: `127.0.0.1:${receiver.port}`,
      'content-type': 'application/octet-stream',
      'user-agent': 'Posthorn/0.0.0-test',
      'accept-encoding': 'identity',
      'content-length': '4',
    });
    expect(await verify(payload, headers, hookSecret)).toMatchObject({ ok: true, id: request.messageId });

    expect(report).toMatchObject({
      result: { kind: 'response', status: 202, retryAfter: null, bodyError: null },
      responseHeaders: 'X-Seen: 1\r\ncontent-length: 2\r\n',
      bodyBytes: 4,
      peer: `127.0.0.1:${receiver.port}`,
      phases: { dnsMs: null, tlsMs: null },
    });
    expect(Buffer.from(report.responseBody).toString()).toBe('ok');
    const { connectMs, firstByteMs, totalMs } = report.phases;
    expect(connectMs).toBeGreaterThan(0);
    expect(firstByteMs).toBeGreaterThanOrEqual(connectMs ?? Infinity);
    expect(totalMs).toBeGreaterThanOrEqual(firstByteMs ?? Infinity);
    for (const [name, value] of headerPairs(report.requestHeaders))
      expect(headers[name.toLowerCase()]).toBe(value);
  });

  it('sends an endpoint’s own headers, shows no secret of them and lets none replace ours', async () => {
    const receiver = await rawReceiver(answering(ok));
    const base = requestTo(receiver.port);
    const headers = [
      ['X-Team', 'blue'],
      ['Authorization', 'Bearer canary'],
      ['X-Api-Key', 'canary'],
      ['webhook-id', 'forged'],
      ['Host', 'forged'],
      ['User-Agent', 'forged'],
      ['Content-Length', '1'],
    ] as const;
    const report = await attempterFor().deliver({ ...base, endpoint: { ...base.endpoint, headers } });
    const head = receiver.requests[0]?.head ?? '';
    expect(head).toContain('X-Team: blue');
    expect(head).toContain('Authorization: Bearer canary');
    expect(head).not.toContain('forged');
    expect(JSON.stringify(report)).not.toContain('canary');
    expect(report.requestHeaders).toContain('X-Team: blue\r\n');
    expect(report.requestHeaders).toContain('Authorization: [redacted]\r\n');
  });

  it.each([
    ['webhook', ['webhook-id'], ['svix-id']],
    ['svix', ['svix-id'], ['webhook-id']],
    ['both', ['webhook-id', 'svix-id'], []],
  ] as const)('names its headers as configured: %s', async (headerPrefix, present, absent) => {
    const receiver = await rawReceiver(answering(ok));
    await attempterFor({ headerPrefix }).deliver(requestTo(receiver.port));
    const { head, body } = receiver.requests[0] ?? { head: '', body: Buffer.alloc(0) };
    const headers = headersOf(head);
    for (const name of present) expect(headers).toHaveProperty(name);
    for (const name of absent) expect(headers).not.toHaveProperty(name);
    expect(await verify(body, headers, hookSecret)).toMatchObject({ ok: true });
  });

  it('sends an empty body as such', async () => {
    const receiver = await rawReceiver(answering(ok));
    const report = await attempterFor().deliver(requestTo(receiver.port, { payload: new Uint8Array(0) }));
    expect(report.result).toMatchObject({ status: 200 });
    expect(receiver.requests[0]?.head).toContain('content-length: 0');
  });

  it('reports a key that cannot sign instead of throwing', async () => {
    const base = requestTo(9_999);
    const key = { kind: 'ed25519', seed: new Uint8Array(5), publicKey: new Uint8Array(5) } as const;
    const request = { ...base, endpoint: { ...base.endpoint, keys: [{ key, expiresAtMs: null }] } };
    const attempter = attempterFor();
    expect(await attempter.deliver(request)).toMatchObject({ result: { kind: 'protocol', code: 'bad_key' } });
    expect(attempter.sizes()).toMatchObject({ sockets: 0, inFlight: 0 });
  });

  it.each([
    ['http://169.254.169.254/', 'blocked_address'],
    ['https://[::1]/', 'blocked_address'],
    ['http://127.0.0.1:6379/', 'blocked_port'],
    ['nonsense', 'bad_url'],
  ])('refuses %s without a socket', async (url, why) => {
    const attempter = attempterFor();
    const report = await attempter.deliver(requestTo(url));
    expect(report).toMatchObject({ result: { kind: 'refused', why }, peer: null, requestHeaders: '' });
    expect(attempter.sizes().sockets).toBe(0);
  });

  it('refuses a name that has come to mean another address', async () => {
    const receiver = await rawReceiver(answering(ok));
    const answers = [['127.0.0.1'], ['127.0.0.1', '10.0.0.1'], ['169.254.169.254']];
    for (const addresses of answers.slice(1)) {
      const report = await attempterFor({}, async () => addresses).deliver(
        requestTo(`http://rebind.example:${receiver.port}/`),
      );
      expect(report).toMatchObject({ result: { kind: 'refused', why: 'blocked_address' }, peer: null });
      for (const address of addresses) expect(JSON.stringify(report)).not.toContain(address);
    }
    expect(receiver.connections()).toBe(0);
    const allowed = attempterFor({}, async () => answers[0] ?? []);
    const report = await allowed.deliver(requestTo(`http://rebind.example:${receiver.port}/`));
    expect(report).toMatchObject({ result: { status: 200 }, peer: `127.0.0.1:${receiver.port}` });
    expect(report.phases.dnsMs).not.toBeNull();
  });

  it('takes the next address when the first one is dead', async () => {
    const receiver = await rawReceiver(answering(ok));
    const attempter = attempterFor({ allowSubnets: ['127.0.0.0/8', '::1'] }, async () => [
      '::1',
      '127.0.0.1',
    ]);
    const report = await attempter.deliver(requestTo(`http://two.example:${receiver.port}/`));
    expect(report).toMatchObject({ result: { status: 200 }, peer: `127.0.0.1:${receiver.port}` });
  });

  it('gives up on a name server within the DNS budget', async () => {
    const attempter = attempterFor({ dnsTimeoutMs: 30 }, () => new Promise(() => {}));
    const report = await attempter.deliver(requestTo('http://silent.example/'));
    expect(report.result).toEqual({ kind: 'timeout', phase: 'dns' });
  });
});

describe('sockets', () => {
  it('are used again, and the report says so by leaving the phases out', async () => {
    const receiver = await rawReceiver(answering(ok));
    const attempter = attempterFor();
    const first = await attempter.deliver(requestTo(receiver.port));
    const second = await attempter.deliver(requestTo(receiver.port));
    expect(receiver.connections()).toBe(1);
    expect(first.phases.connectMs).not.toBeNull();
    expect(second.phases.connectMs).toBeNull();
    expect(second.peer).toBe(first.peer);
  });

  it('are not used again when the receiver said close', async () => {
    const receiver = await rawReceiver(
      answering('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'),
    );
    const attempter = attempterFor();
    for (let round = 1; round <= 3; round++) {
      expect(await attempter.deliver(requestTo(receiver.port))).toMatchObject({ result: { status: 200 } });
      expect(receiver.connections()).toBe(round);
    }
  });

  it('close when idle, whatever the receiver announces', async () => {
    const receiver = await rawReceiver(
      answering('HTTP/1.1 200 OK\r\nkeep-alive: timeout=600\r\ncontent-length: 2\r\n\r\nok'),
    );
    const attempter = attempterFor({ keepAliveMs: 50 });
    await attempter.deliver(requestTo(receiver.port));
    await receiver.allClosed();
    await vi.waitFor(() => expect(attempter.sizes()).toMatchObject({ sockets: 0, idle: 0, origins: 0 }));
  });

  it('that the receiver closes while idle are replaced without a trace', async () => {
    const receiver = await rawReceiver({ onRequest: (socket) => socket.end(ok) });
    const attempter = attempterFor();
    for (let round = 0; round < 20; round++) {
      const report = await attempter.deliver(requestTo(receiver.port));
      expect(report.result).toMatchObject({ status: 200 });
      await receiver.allClosed();
      await vi.waitFor(() => expect(attempter.sizes().sockets).toBe(0));
    }
    expect(receiver.requests).toHaveLength(20);
  });

  it('that break under a reused connection give one honest failure and no second request', async () => {
    const receiver = await rawReceiver({
      onRequest: (socket, _request, index) => (index === 0 ? socket.write(ok) : socket.destroy()),
    });
    const attempter = attempterFor();
    await attempter.deliver(requestTo(receiver.port));
    const report = await attempter.deliver(requestTo(receiver.port));
    expect(report.result).toEqual({ kind: 'network', code: 'stale_connection' });
    expect(receiver.requests).toHaveLength(2);
  });

  it('stay below the limit: attempts wait for one, and idle ones make room', async () => {
    const held: (() => void)[] = [];
    const slow = await rawReceiver({ onRequest: (socket) => void held.push(() => socket.write(ok)) });
    const other = await rawReceiver(answering(ok));
    const attempter = attempterFor({ maxSockets: 2 });
    const attempts = Array.from({ length: 6 }, () => attempter.deliver(requestTo(slow.port)));
    await vi.waitFor(() => expect(held).toHaveLength(2));
    expect(attempter.sizes()).toMatchObject({ sockets: 2, waiting: 4, inFlight: 6 });
    for (let answered = 0; answered < 6; answered++) {
      await vi.waitFor(() => expect(held.length).toBeGreaterThan(answered));
      held[answered]?.();
    }
    for (const report of await Promise.all(attempts)) expect(report.result).toMatchObject({ status: 200 });
    expect(slow.connections()).toBe(2);
    expect(await attempter.deliver(requestTo(other.port))).toMatchObject({ result: { status: 200 } });
    expect(attempter.sizes()).toMatchObject({ sockets: 2, waiting: 0, inFlight: 0 });
  });

  it('that never come free end the wait as our own shortage', async () => {
    const receiver = await rawReceiver({ onRequest: () => {} });
    const attempter = attempterFor({ maxSockets: 1, timeoutMs: 80 });
    const [first, second] = await Promise.all([
      attempter.deliver(requestTo(receiver.port)),
      attempter.deliver(requestTo(receiver.port)),
    ]);
    expect(first.result).toEqual({ kind: 'timeout', phase: 'headers' });
    expect(second.result).toEqual({ kind: 'network', code: 'no_socket' });
    expect(receiver.requests).toHaveLength(1);
  });

  it('of a thousand origins stay below the limit', async () => {
    const receiver = await rawReceiver(answering(ok));
    const attempter = attempterFor({ maxSockets: 10 }, async () => ['127.0.0.1']);
    for (let index = 0; index < 1_000; index += 10)
      await Promise.all(
        Array.from({ length: 10 }, (_, offset) =>
          attempter.deliver(requestTo(`http://h${index + offset}.example:${receiver.port}/`)),
        ),
      );
    expect(receiver.requests).toHaveLength(1_000);
    const { sockets, origins } = attempter.sizes();
    expect(sockets).toBeLessThanOrEqual(10);
    expect(origins).toBeLessThanOrEqual(10);
  });

  it('reach localhost by the system’s resolver', async () => {
    const receiver = await rawReceiver(answering(ok));
    const report = await attempterFor().deliver(requestTo(`http://localhost:${receiver.port}/`));
    expect(report).toMatchObject({ result: { status: 200 }, peer: `127.0.0.1:${receiver.port}` });
  });

  it('are kept for a bounded number per origin', async () => {
    const receiver = await rawReceiver(answering(ok));
    const attempter = attempterFor({ idleSocketsPerOrigin: 3 });
    await Promise.all(Array.from({ length: 20 }, () => attempter.deliver(requestTo(receiver.port))));
    expect(attempter.sizes()).toMatchObject({ sockets: 3, idle: 3, origins: 1 });
  });
});

describe('abort and close', () => {
  it('ends what was written as unknown and what was not as aborted', async () => {
    const receiver = await rawReceiver({ onRequest: () => {} });
    const attempter = attempterFor({ maxSockets: 1 });
    const controller = new AbortController();
    const { signal } = controller;
    const written = attempter.deliver(requestTo(receiver.port, { signal }));
    const queued = attempter.deliver(requestTo(receiver.port, { signal }));
    const another = new AbortController();
    const other = attempter.deliver(requestTo(receiver.port, { signal: another.signal }));
    await vi.waitFor(() => expect(receiver.requests).toHaveLength(1));
    controller.abort();
    expect((await written).result).toEqual({ kind: 'unknown' });
    expect((await queued).result).toEqual({ kind: 'network', code: 'aborted' });
    await vi.waitFor(() => expect(receiver.requests).toHaveLength(2));
    expect(attempter.sizes().inFlight).toBe(1);
    const late = await attempter.deliver(requestTo(receiver.port, { signal }));
    expect(late.result).toEqual({ kind: 'network', code: 'aborted' });
    another.abort();
    expect((await other).result).toEqual({ kind: 'unknown' });
  });

  it('sends nothing over a new connection, or after a wait for one, that is not wanted by then', async () => {
    const receiver = await rawReceiver({ onRequest: (socket) => void (answer = () => socket.write(ok)) });
    let answer = (): void => {};
    let isWanted = true;
    const aborted = { kind: 'network', code: 'aborted' };
    const attempter = attempterFor({ maxSockets: 1 });
    // The wish ends while the socket is being opened.
    const connecting = attempter.deliver(requestTo(receiver.port, { isWanted: () => isWanted }));
    isWanted = false;
    expect((await connecting).result).toEqual(aborted);
    isWanted = true;
    const first = attempter.deliver(requestTo(receiver.port, { isWanted: () => isWanted }));
    const queued = attempter.deliver(requestTo(receiver.port, { isWanted: () => isWanted }));
    const wanted = attempter.deliver(requestTo(receiver.port));
    await vi.waitFor(() => expect(receiver.requests).toHaveLength(1));
    isWanted = false;
    answer();
    // What was written before is in flight, whatever is wanted now.
    expect((await first).result).toMatchObject({ status: 200 });
    expect((await queued).result).toEqual(aborted);
    await vi.waitFor(() => expect(receiver.requests).toHaveLength(2));
    answer();
    expect((await wanted).result).toMatchObject({ status: 200 });
  });

  it('close waits for the attempts in flight, leaves no socket and takes nothing more', async () => {
    let answer = (): void => {};
    const receiver = await rawReceiver({ onRequest: (socket) => void (answer = () => socket.write(ok)) });
    const attempter = attempterFor();
    const attempt = attempter.deliver(requestTo(receiver.port));
    await vi.waitFor(() => expect(receiver.requests).toHaveLength(1));
    const closing = attempter.close();
    expect((await attempter.deliver(requestTo(receiver.port))).result).toEqual({
      kind: 'network',
      code: 'closed',
    });
    answer();
    expect((await attempt).result).toMatchObject({ status: 200 });
    await closing;
    await receiver.allClosed();
    expect(attempter.sizes()).toMatchObject({ sockets: 0, inFlight: 0 });
  });
});
