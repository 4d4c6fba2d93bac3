import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type Proxy, startProxy } from './proxy.ts';
import { createGate, readToxics, slice } from './toxics.ts';

const listenOn = async (answer: (socket: Socket) => void): Promise<{ server: Server; port: number }> => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    answer(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no address');
  onTestFinished(() => void server.close());
  return { server, port: address.port };
};

/** What comes back over a connection, and how it ended. */
const open = (port: number) => {
  const socket = connect({ host: '127.0.0.1', port });
  const chunks: Buffer[] = [];
  let waiting = (): void => {};
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    waiting();
  });
  const ended = new Promise<string>((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    socket.once('close', () => resolve('closed'));
  });
  onTestFinished(() => void socket.destroy());
  const got = (): Buffer => Buffer.concat(chunks);
  return {
    socket,
    chunks,
    ended,
    until: (bytes: number): Promise<Buffer> =>
      new Promise((resolve) => {
        waiting = () => {
          if (got().length >= bytes) resolve(got());
        };
        waiting();
      }),
  };
};

describe('the wire', () => {
  let echo: number;
  let proxy: Proxy;
  beforeEach(async () => {
    ({ port: echo } = await listenOn((socket) => void socket.pipe(socket)));
    proxy = await startProxy({ target: { host: '127.0.0.1', port: echo } });
  });
  afterEach(() => proxy.close());

  it('carries everything in order, also when it is late and cut into pieces', async () => {
    await proxy.set({ latencyMs: 1, jitterMs: 5, sliceBytes: 700 });
    const sent = randomBytes(300_000);
    const client = open(proxy.port);
    client.socket.write(sent);
    expect((await client.until(sent.length)).equals(sent)).toBe(true);
  });

  it('is late by what was said, both ways, from then on', async () => {
    const client = open(proxy.port);
    client.socket.write('a');
    await client.until(1);
    await proxy.set({ latencyMs: 60 });
    const fromMs = performance.now();
    client.socket.write('b');
    await client.until(2);
    expect(performance.now() - fromMs).toBeGreaterThanOrEqual(118);
  });

  it('is no faster than was said', async () => {
    await proxy.set({ bytesPerSecond: 200_000 });
    const client = open(proxy.port);
    const fromMs = performance.now();
    client.socket.write(Buffer.alloc(40_000));
    await client.until(40_000);
    expect(performance.now() - fromMs).toBeGreaterThan(190);
  });

  it('is reset once it has carried so much', async () => {
    await proxy.set({ limitBytes: 1_000 });
    const client = open(proxy.port);
    client.socket.write(Buffer.alloc(900));
    expect(await client.ended).toBe('ECONNRESET');
  });

  it('gets nothing through while it is silent, and loses what was on its way', async () => {
    const client = open(proxy.port);
    client.socket.write('a');
    await client.until(1);
    await proxy.set({ way: 'silent' });
    client.socket.write('b');
    const late = open(proxy.port);
    await once(late.socket, 'connect');
    late.socket.write('c');
    const direct = open(echo);
    direct.socket.write('d');
    await direct.until(1);
    expect([client.chunks.length, late.chunks.length]).toEqual([1, 0]);
    await proxy.set({});
    expect([await client.ended, await late.ended]).toEqual(['ECONNRESET', 'ECONNRESET']);
    const after = open(proxy.port);
    after.socket.write('e');
    await after.until(1);
  });

  it('is refused, and comes back at the same port', async () => {
    const client = open(proxy.port);
    client.socket.write('a');
    await client.until(1);
    await proxy.set({ way: 'refused' });
    expect(await client.ended).toBe('ECONNRESET');
    expect(await open(proxy.port).ended).toBe('ECONNREFUSED');
    await proxy.set({ way: 'refused' });
    await proxy.set({});
    const after = open(proxy.port);
    after.socket.write('b');
    await after.until(1);
  });

  it('goes elsewhere when it is told so', async () => {
    const other = await listenOn((socket) => void socket.end('other'));
    const client = open(proxy.port);
    client.socket.write('a');
    await client.until(1);
    proxy.retarget({ host: '127.0.0.1', port: other.port });
    expect(await client.ended).toBe('ECONNRESET');
    expect((await open(proxy.port).until(5)).toString()).toBe('other');
    expect(proxy.counts()).toMatchObject({ accepted: 2 });
  });
});

describe('toxics', () => {
  it('keep the order, whatever the jitter', () => {
    let chance = 0.9;
    const gate = createGate(
      () => ({ latencyMs: 10, jitterMs: 100 }),
      () => (chance = 1 - chance),
    );
    const times = [0, 1, 2, 3, 4, 5].map((nowMs) => gate(1, nowMs));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times[0]).toBeGreaterThanOrEqual(10);
  });

  it('cut up without losing a byte', () => {
    const chunk = randomBytes(1_001);
    const pieces = slice(chunk, { sliceBytes: 100 });
    expect(pieces).toHaveLength(11);
    expect(Buffer.concat(pieces).equals(chunk)).toBe(true);
  });

  it.each([null, [], 'slow', { lateness: 1 }, { latencyMs: -1 }, { sliceBytes: 0 }, { way: 'down' }])(
    'are not %j',
    (value) => {
      expect(readToxics(value)).toEqual(expect.any(String));
    },
  );

  it('are read', () => {
    const toxics = {
      latencyMs: 0,
      jitterMs: 1,
      bytesPerSecond: 2,
      sliceBytes: 3,
      limitBytes: 4,
      way: 'silent',
    };
    expect(readToxics(toxics)).toEqual(toxics);
  });
});

describe('the program', () => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const start = (...args: string[]): ChildProcess => {
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    onTestFinished(() => void child.kill());
    return child;
  };

  it('is told by HTTP what to do to the wire', async () => {
    const { port } = await listenOn((socket) => void socket.pipe(socket));
    const child = start('--to', `127.0.0.1:${port}`, '{"latencyMs":1}');
    const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
    const { listens, control } = JSON.parse(line) as { listens: string; control: string };
    const tell = async (method: string, body?: object): Promise<unknown> => {
      const response = await fetch(control, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return [response.status, await response.json()];
    };
    const client = open(Number(listens.split(':')[1]));
    client.socket.write('a');
    await client.until(1);
    expect(await tell('GET')).toEqual([200, { toxics: { latencyMs: 1 }, open: 1, accepted: 1, bytes: 2 }]);
    expect(await tell('PUT', { way: 'sideways' })).toEqual([
      422,
      { detail: expect.stringContaining('sideways') },
    ]);
    expect(await tell('PUT', { way: 'refused' })).toMatchObject([200, { toxics: { way: 'refused' } }]);
    expect(await client.ended).toBe('ECONNRESET');
    expect(await tell('DELETE')).toMatchObject([200, { toxics: {} }]);
    const again = open(Number(listens.split(':')[1]));
    again.socket.write('a');
    await again.until(1);
    expect(await tell('POST')).toMatchObject([200, {}]);
    expect(await again.ended).toBe('ECONNRESET');
  });

  it.each([
    [],
    ['--to', 'nowhere'],
    ['--to', '127.0.0.1:1', '{"latency":1}'],
    ['--to', '127.0.0.1:1', 'slow'],
    ['--x'],
  ])('says what is wrong with %s %s %s', async (...args) => {
    const child = start(...args);
    const errors: Buffer[] = [];
    child.stderr!.on('data', (chunk: Buffer) => errors.push(chunk));
    expect((await once(child, 'close'))[0]).toBe(2);
    expect(Buffer.concat(errors).toString()).toMatch(/^fault-proxy: .*\n\nnode tools/);
  });
});
