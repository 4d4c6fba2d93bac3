import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createResolver, type ResolveName } from './resolver.ts';

type Answer = { readonly code: number; readonly addresses: readonly string[] } | 'silence';
const A = 1;
const NOT_FOUND = { code: 3, addresses: [] };
const NO_DATA = { code: 0, addresses: [] };
const SERVER_FAILURE = { code: 2, addresses: [] };
const found = (...addresses: string[]): Answer => ({ code: 0, addresses });

const bytesOf = (address: string): number[] =>
  address.includes(':')
    ? address.split(':').flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255])
    : address.split('.').map(Number);

/** A name server with one answer for A and one for AAAA. */
const resolverWith = async (v4: Answer, v6: Answer, hostsFile = false) => {
  const server = createSocket('udp4');
  const asked: number[] = [];
  server.on('message', (query, peer) => {
    const questionEnd = query.indexOf(0, 12) + 5;
    const type = query.readUInt16BE(questionEnd - 4);
    asked.push(type);
    const answer = type === A ? v4 : v6;
    if (answer === 'silence') return;
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(0x8180 | answer.code, 2);
    header.writeUInt16BE(answer.addresses.length, 6);
    header.writeUInt16BE(0, 8);
    header.writeUInt16BE(0, 10);
    const records = answer.addresses.map((address) => {
      const data = bytesOf(address);
      return Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length, ...data]);
    });
    server.send(
      Buffer.concat([header, query.subarray(12, questionEnd), ...records]),
      peer.port,
      peer.address,
    );
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const resolve: ResolveName = createResolver({ hostsFile, servers: [`127.0.0.1:${server.address().port}`] });
  return { resolve, asked };
};

describe('the resolver', () => {
  it('answers with both families, IPv4 first', async () => {
    const { resolve } = await resolverWith(found('192.0.2.1', '192.0.2.2'), found('2001:db8:0:0:0:0:0:1'));
    expect(await resolve('hooks.example')).toEqual(['192.0.2.1', '192.0.2.2', '2001:db8::1']);
  });

  it('answers with the only family there is', async () => {
    const first = await resolverWith(found('192.0.2.1'), NO_DATA);
    expect(await first.resolve('hooks.example')).toEqual(['192.0.2.1']);
    const second = await resolverWith(NO_DATA, found('2001:db8:0:0:0:0:0:1'));
    expect(await second.resolve('hooks.example')).toEqual(['2001:db8::1']);
  });

  it('does not wait long for a family that never answers', async () => {
    const { resolve } = await resolverWith(found('192.0.2.1'), 'silence');
    const before = performance.now();
    expect(await resolve('hooks.example')).toEqual(['192.0.2.1']);
    expect(performance.now() - before).toBeLessThan(900);
  });

  it.each([
    ['ENOTFOUND', NOT_FOUND],
    ['ENODATA', NO_DATA],
    ['ESERVFAIL', SERVER_FAILURE],
  ])('rejects with %s', async (code, answer) => {
    const { resolve } = await resolverWith(answer, answer);
    await expect(resolve('hooks.example')).rejects.toMatchObject({ code });
  });

  it('gives local names to the system and does not put them on the network', async () => {
    const { resolve, asked } = await resolverWith(found('192.0.2.1'), NO_DATA);
    expect(await resolve('localhost')).toContain('127.0.0.1');
    expect(asked).toEqual([]);
  });

  it('looks into the system’s hosts for an unknown name only where it was told to', async () => {
    const strict = await resolverWith(NOT_FOUND, NOT_FOUND);
    await expect(strict.resolve('unknown-name.invalid')).rejects.toMatchObject({
      code: 'ENOTFOUND',
      syscall: 'queryA',
    });
    const open = await resolverWith(NOT_FOUND, NOT_FOUND, true);
    await expect(open.resolve('unknown-name.invalid')).rejects.toMatchObject({ syscall: 'getaddrinfo' });
  });
});
