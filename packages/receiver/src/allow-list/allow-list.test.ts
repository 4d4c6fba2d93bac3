import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FetchOptions } from '../fetched.ts';
import { parseAddress } from './cidr.ts';
import {
  addressMatcher,
  allowList,
  clientAddress,
  githubAddresses,
  posthornAddresses,
  publishedList,
  stripeAddresses,
} from './index.ts';

const code = (expected: string): object => ({ ok: false, code: expected });

describe('addresses and subnets', () => {
  const v4 = fc.ipV4();
  const v6 = fc.ipV6();

  it('fit as in Node’s block list', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.tuple(v4, fc.nat(32), v4), fc.tuple(v6, fc.nat(128), v6)),
        fc.boolean(),
        ([subnet, bits, other], same) => {
          const address = same ? subnet : other;
          // IPv4 in IPv6 is where the two differ on purpose.
          fc.pre(parseAddress(subnet)?.length === (subnet.includes(':') ? 16 : 4));
          fc.pre(parseAddress(address)?.length === (address.includes(':') ? 16 : 4));
          const family = subnet.includes(':') ? 'ipv6' : 'ipv4';
          const oracle = new BlockList();
          oracle.addSubnet(subnet, bits, family);
          expect(addressMatcher([`${subnet}/${bits}`])(address)).toBe(oracle.check(address, family));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('are those that Node knows, and no others', () => {
    const almost = fc.oneof(v4, v6, fc.stringMatching(/^[\da-f:.]{0,20}$/), fc.string());
    fc.assert(
      fc.property(almost, (text) => {
        fc.pre(!text.includes('%'));
        expect(parseAddress(text) !== null).toBe(isIP(text) !== 0);
      }),
      { numRuns: 5_000 },
    );
    for (const text of [
      '::',
      '::1',
      '1::',
      '1:2:3:4:5:6:7::',
      '::2:3:4:5:6:7:8',
      '::1.2.3.4',
      '1:2:3:4:5:6:7:8',
    ])
      expect(parseAddress(text)).toHaveLength(16);
    for (const text of [
      '1:2:3:4:5:6:7',
      '1::2::3',
      ':::',
      '1:2:3:4:5:6:7:8:9',
      '1:2:3:4:5:6:7:1.2.3.4',
      '01.2.3.4',
      '256.1.1.1',
      '1.2.3',
      ' 1.2.3.4',
      '1.2.3.4::',
      ':1',
    ])
      expect(parseAddress(text)).toBeNull();
  });

  it('of IPv4 written as IPv6 are IPv4', () => {
    expect(addressMatcher(['192.0.2.0/24'])('::ffff:192.0.2.7')).toBe(true);
    expect(addressMatcher(['::ffff:192.0.2.0/120'])('192.0.2.7')).toBe(true);
    expect(addressMatcher(['::ffff:192.0.2.0/120'])('192.0.3.7')).toBe(false);
    expect(addressMatcher(['::/0'])('192.0.2.7')).toBe(false);
  });

  it('that cannot be read are refused at once', () => {
    for (const text of [
      '192.0.2.0/33',
      '192.0.2.0/',
      '192.0.2.0/-1',
      '192.0.2.0/24/1',
      '2001:db8::/129',
      'example.com',
      '',
      '::ffff:1.2.3.4/64',
    ])
      expect(() => addressMatcher([text])).toThrow(TypeError);
  });
});

describe('the sender’s address', () => {
  const forwarded = (value: string | string[], trustedHops: number): object =>
    clientAddress({ headers: { 'X-Forwarded-For': value }, peerAddress: '10.0.0.1' }, { trustedHops });

  it('is the peer’s without proxies, whatever the header says', () => {
    expect(forwarded('192.0.2.1', 0)).toEqual({ address: '10.0.0.1' });
    expect(clientAddress({ headers: {}, peerAddress: '::ffff:192.0.2.1' })).toEqual({
      address: '::ffff:192.0.2.1',
    });
  });

  it('is counted from the right, where the proxies write', () => {
    expect(forwarded('6.6.6.6, 192.0.2.1', 1)).toEqual({ address: '192.0.2.1' });
    expect(forwarded('6.6.6.6, 192.0.2.1,10.0.0.9', 2)).toEqual({ address: '192.0.2.1' });
    expect(forwarded(['6.6.6.6, 5.5.5.5', '192.0.2.1, 10.0.0.9'], 2)).toEqual({ address: '192.0.2.1' });
  });

  it('has its port, brackets and zone taken off', () => {
    for (const [text, address] of [
      ['192.0.2.1:8080', '192.0.2.1'],
      ['[2001:db8::1]:443', '2001:db8::1'],
      ['[2001:db8::1]', '2001:db8::1'],
      ['2001:db8::1', '2001:db8::1'],
      ['fe80::1%eth0', 'fe80::1'],
    ] as const)
      expect(forwarded(text, 1)).toEqual({ address });
  });

  it('is unknown where an address is missing or is none', () => {
    for (const [text, hops] of [
      ['192.0.2.1', 2],
      ['', 1],
      ['unknown', 1],
      ['192.0.2.1, ', 1],
      ['_hidden', 1],
      ['192.0.2.1', -1],
    ] as const)
      expect(forwarded(text, hops)).toMatchObject(code('address_unknown'));
    expect(clientAddress({ headers: {} })).toMatchObject(code('address_unknown'));
  });

  it('may be in a header of the platform, once', () => {
    const from = { addressHeader: 'cf-connecting-ip' };
    expect(clientAddress({ headers: { 'CF-Connecting-IP': '192.0.2.1' } }, from)).toEqual({
      address: '192.0.2.1',
    });
    const twice = { headers: { 'cf-connecting-ip': ['192.0.2.1', '192.0.2.2'] } };
    expect(clientAddress(twice, from)).toMatchObject(code('duplicate_header'));
  });

  it('is believed from a trusted proxy only', () => {
    const from = { trustedHops: 1, trustedProxies: ['10.0.0.0/8'] };
    const headers = { 'x-forwarded-for': '192.0.2.1' };
    expect(clientAddress({ headers, peerAddress: '10.1.1.1' }, from)).toEqual({ address: '192.0.2.1' });
    for (const peerAddress of ['192.0.2.9', undefined])
      expect(clientAddress({ headers, peerAddress }, from)).toMatchObject(code('untrusted_proxy'));
  });
});

describe('an allow-list', () => {
  const from = (peerAddress: string): { headers: {}; peerAddress: string } => ({ headers: {}, peerAddress });

  it('takes those who are on one of its lists', async () => {
    const list = allowList(['192.0.2.0/24', '2001:db8::/32', '198.51.100.7']);
    for (const address of ['192.0.2.1', '::ffff:192.0.2.1', '2001:db8:1::', '198.51.100.7'])
      expect(await list.check(from(address))).toEqual({ ok: true, address });
    for (const address of ['192.0.3.1', '2001:db9::', '198.51.100.8'])
      expect(await list.check(from(address))).toMatchObject(code('address_not_allowed'));
  });

  it('does not start empty or with what is no address', () => {
    expect(() => allowList([])).toThrow(TypeError);
    expect(() => allowList(['example.com'])).toThrow(TypeError);
  });

  it('reads what Posthorn, GitHub and Stripe publish', async () => {
    const urls: string[] = [];
    const fetch: FetchOptions['fetch'] = async (url) => {
      urls.push(url);
      return Response.json({
        ips: ['192.0.2.1'],
        hooks: ['192.0.2.2/32'],
        WEBHOOKS: ['192.0.2.3'],
        web: ['192.0.2.4'],
      });
    };
    const lists = [
      posthornAddresses('https://hooks.example.com/', { fetch }),
      githubAddresses({ fetch }),
      stripeAddresses({ fetch }),
    ];
    for (const [index, list] of lists.entries()) {
      const [own, others] = [`192.0.2.${index + 1}`, `192.0.2.${index + 2}`];
      expect(await allowList([list]).check(from(own))).toMatchObject({ ok: true });
      expect(await allowList([list]).check(from(others))).toMatchObject(code('address_not_allowed'));
    }
    expect(urls).toEqual([
      'https://hooks.example.com/api/v1/egress-ips',
      'https://api.github.com/meta',
      'https://stripe.com/files/ips/ips_webhooks.json',
    ]);
  });
});

describe('a published list', () => {
  const HOUR = 3_600_000;
  /** A list whose server, clock and answers are in the test's hand. */
  const world = () => {
    const state = { atMs: 0, fetches: 0, up: true, ips: ['192.0.2.1'] as unknown };
    const list = publishedList('https://example.com', 'ips', {
      nowMs: () => state.atMs,
      fetch: async () => {
        state.fetches += 1;
        if (!state.up) throw new Error('down');
        return Response.json({ ips: state.ips });
      },
    });
    return { state, list };
  };

  it('is fetched once for all who ask at the same time', async () => {
    const { state, list } = world();
    const answers = await Promise.all(Array.from({ length: 50 }, () => list.has('192.0.2.1')));
    expect(new Set(answers)).toEqual(new Set([true]));
    expect(state.fetches).toBe(1);
  });

  it('is renewed beside the requests after an hour', async () => {
    const { state, list } = world();
    await list.has('192.0.2.1');
    state.ips = ['192.0.2.2'];
    state.atMs = HOUR;
    expect(await list.has('192.0.2.2')).toBe(false);
    expect(state.fetches).toBe(1);
    state.atMs += 1;
    // The one who comes too late for the old list still gets it, and starts the fetch.
    expect(await list.has('192.0.2.2')).toBe(false);
    await expect.poll(() => list.has('192.0.2.2')).toBe(true);
    expect(state.fetches).toBe(2);
  });

  it('stays in force for a week while its server is down, and then is none', async () => {
    const { state, list } = world();
    await list.has('192.0.2.1');
    state.up = false;
    for (const atMs of [2 * HOUR, 24 * HOUR, 7 * 24 * HOUR]) {
      state.atMs = atMs;
      expect(await list.has('192.0.2.1')).toBe(true);
    }
    state.atMs = 7 * 24 * HOUR + 30_001;
    expect(await list.has('192.0.2.1')).toBeNull();
    expect(await allowList([list]).check({ headers: {}, peerAddress: '192.0.2.1' })).toMatchObject(
      code('addresses_unavailable'),
    );
    expect(
      await allowList([list, '192.0.2.1']).check({ headers: {}, peerAddress: '192.0.2.1' }),
    ).toMatchObject({
      ok: true,
    });
    state.up = true;
    state.atMs += 30_000;
    expect(await list.has('192.0.2.1')).toBe(true);
  });

  it('is not asked for again at once when that failed', async () => {
    const { state, list } = world();
    state.up = false;
    for (let requests = 0; requests < 10; requests += 1) expect(await list.has('192.0.2.1')).toBeNull();
    expect(state.fetches).toBe(1);
    state.atMs += 30_000;
    expect(await list.has('192.0.2.1')).toBeNull();
    expect(state.fetches).toBe(2);
  });

  it('keeps the older one when the new one is empty or cannot be read', async () => {
    const { state, list } = world();
    await list.has('192.0.2.1');
    for (const ips of [[], null, 'text', ['192.0.2.1', 'nonsense'], [7]]) {
      state.ips = ips;
      expect(await list.refresh()).toBe(false);
      expect(await list.has('192.0.2.1')).toBe(true);
    }
    state.ips = ['192.0.2.9'];
    expect(await list.refresh()).toBe(true);
    expect(await list.has('192.0.2.1')).toBe(false);
  });
});
