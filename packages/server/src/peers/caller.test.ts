import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { callKeys, openCall } from './call.ts';
import { createCaller, splitAddress } from './caller.ts';

const keys = callKeys(['the main secret of this deployment']);
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** A node that answers when it is told to. */
const startPeer = async () => {
  const calls: { readonly ids: readonly string[] | null; readonly response: ServerResponse }[] = [];
  const waiting = new Set<() => void>();
  const look = (): void => waiting.forEach((check) => check());
  const server: Server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const mac = String(request.headers.authorization).replace('Posthorn ', '');
      calls.push({ ids: openCall(keys, 'peer', { body, mac }), response });
      look();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    until: (count: number) =>
      new Promise<void>((resolve) => {
        const check = (): void => void (calls.length >= count && resolve());
        waiting.add(check);
        check();
      }),
  };
};

const callerTo = (address: string) => {
  const troubles: (string | null)[] = [];
  const rests: (() => void)[] = [];
  let heard: () => void = () => {};
  const caller = createCaller({
    to: 'peer',
    address,
    key: keys[0]!,
    setTimeout: (run) => rests.push(run),
    onTrouble: (problem) => {
      troubles.push(problem);
      heard();
    },
  });
  ends.push(caller.close);
  const nextTrouble = (): Promise<void> => new Promise((resolve) => (heard = resolve));
  return { caller, troubles, rests, nextTrouble };
};

describe('a caller', () => {
  it('makes one call at a time, and says with the next what has gathered meanwhile, once', async () => {
    const peer = await startPeer();
    const { caller, troubles } = callerTo(peer.address);
    caller.tell('ep_1');
    caller.tell('ep_2');
    await peer.until(1);
    for (const id of ['ep_3', 'ep_4', 'ep_3']) caller.tell(id);
    peer.calls[0]!.response.writeHead(204).end();
    await peer.until(2);
    expect(peer.calls.map(({ ids }) => ids)).toEqual([
      ['ep_1', 'ep_2'],
      ['ep_3', 'ep_4'],
    ]);
    expect(troubles).toEqual([]);
  });

  it('drops what it cannot say, rests, and tells of trouble once and of its end once', async () => {
    const peer = await startPeer();
    const { caller, troubles, rests, nextTrouble } = callerTo(peer.address);
    const troubled = nextTrouble();
    caller.tell('ep_1');
    await peer.until(1);
    peer.calls[0]!.response.writeHead(401).end('another secret');
    await troubled;
    caller.tell('ep_2');
    expect(troubles).toEqual(['answered 401']);
    rests[0]!();
    const over = nextTrouble();
    caller.tell('ep_3');
    await peer.until(2);
    peer.calls[1]!.response.writeHead(204).end();
    await over;
    expect(peer.calls[1]!.ids).toEqual(['ep_3']);
    expect(troubles).toEqual(['answered 401', null]);
  });

  it('survives an address where nobody is', async () => {
    const peer = await startPeer();
    for (const end of ends.splice(0)) end();
    const { caller, troubles, nextTrouble } = callerTo(peer.address);
    const troubled = nextTrouble();
    caller.tell('ep_1');
    await troubled;
    expect(troubles).toEqual([expect.stringContaining('ECONNREFUSED')]);
  });

  it('keeps a bounded number of ids', async () => {
    const peer = await startPeer();
    const { caller } = callerTo(peer.address);
    caller.tell('first');
    await peer.until(1);
    for (let n = 0; n < 20_000; n++) caller.tell(`ep_${n}`);
    peer.calls[0]!.response.writeHead(204).end();
    await peer.until(2);
    expect(peer.calls[1]!.ids).toHaveLength(10_000);
  });
});

it('an address may have an IPv6 host', () => {
  expect(splitAddress('[::1]:8072')).toEqual(['::1', 8072]);
  expect(splitAddress('node-1.internal:8072')).toEqual(['node-1.internal', 8072]);
});
