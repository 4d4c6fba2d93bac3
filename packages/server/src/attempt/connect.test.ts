import { describe, expect, it } from 'vitest';
import { rawReceiver } from '../../test/raw-receiver.ts';
import { createClock } from '../clock.ts';
import { createAddressPolicy } from './address.ts';
import { type ConnectDeps, type Opened, createSessionMemory, newProgress, openSocket } from './connect.ts';
import { parseTarget, type Target } from './url.ts';

const targetOf = (url: string): Target => {
  const rules = { httpsOnly: false, addresses: createAddressPolicy([]), allowPorts: [] };
  const verdict = parseTarget(url, rules);
  if (!verdict.ok) throw new Error(verdict.message);
  return verdict.target;
};

const open = (target: Target, deps: Partial<ConnectDeps>) => {
  const progress = newProgress();
  const full: ConnectDeps = {
    clock: createClock(),
    lookup: async () => ({ ok: true, addresses: ['127.0.0.1'] }),
    policy: createAddressPolicy(['127.0.0.1']),
    sessions: createSessionMemory(2),
    connectTimeoutMs: 5_000,
    secureContext: null,
    proxy: null,
    ...deps,
  };
  return new Promise<{ opened: Opened; progress: typeof progress }>((resolve) =>
    openSocket(target, progress, full, (opened) => resolve({ opened, progress })),
  );
};

describe('openSocket', () => {
  it.each(['http', 'https'])('looks at the connected peer too, before a byte is sent: %s', async (scheme) => {
    const seen: Buffer[] = [];
    const receiver = await rawReceiver({
      onConnection: (socket) => socket.on('data', (bytes) => seen.push(bytes)),
    });
    const target = targetOf(`${scheme}://lying.example:${receiver.port}/`);
    const { opened, progress } = await open(target, { policy: createAddressPolicy([]) });
    expect(opened).toEqual({ ok: false, result: { kind: 'refused', why: 'blocked_address' } });
    expect(progress.peer).toBeNull();
    await receiver.allClosed();
    expect(seen).toEqual([]);
  });

  it('can be stopped at any moment, and then says nothing more', async () => {
    const receiver = await rawReceiver({});
    const target = targetOf(`http://slow.example:${receiver.port}/`);
    let answered = (): void => {};
    const calls: unknown[] = [];
    const deps: ConnectDeps = {
      clock: createClock(),
      lookup: () =>
        new Promise((resolve) => void (answered = () => resolve({ ok: true, addresses: ['127.0.0.1'] }))),
      policy: createAddressPolicy(['127.0.0.1']),
      sessions: createSessionMemory(2),
      connectTimeoutMs: 5_000,
      secureContext: null,
      proxy: null,
    };
    const stop = openSocket(target, newProgress(), deps, (...call) => calls.push(call));
    stop();
    answered();
    const { opened } = await open(target, {});
    if (opened.ok) opened.socket.destroy();
    expect(opened.ok).toBe(true);
    expect(calls).toEqual([]);
    expect(receiver.connections()).toBe(1);
  });
});

describe('the memory of TLS sessions', () => {
  it('forgets the oldest', () => {
    const sessions = createSessionMemory(2);
    for (const origin of ['a', 'b', 'a', 'c']) sessions.set(origin, Buffer.from(origin));
    expect(sessions.get('a')?.toString()).toBe('a');
    expect(sessions.get('b')).toBeUndefined();
    expect(sessions.get('c')?.toString()).toBe('c');
  });
});
