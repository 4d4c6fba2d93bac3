import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAddressPolicy } from './address.ts';
import { checkEndpointUrl } from './url.ts';

type Vectors = {
  readonly addresses: Record<'forbidden' | 'allowed' | 'invalid', readonly string[]>;
  readonly urls: {
    readonly refused: readonly { readonly url: string; readonly why: string }[];
    readonly accepted: readonly { readonly url: string; readonly href: string }[];
  };
  readonly exempt: Exceptions;
  readonly denied: Exceptions & { readonly denySubnets: readonly string[] };
};
type Exceptions = {
  readonly allowSubnets: readonly string[];
  readonly accepted: readonly string[];
  readonly refused: readonly { readonly url: string; readonly why: string }[];
};

const vectors = JSON.parse(
  readFileSync(new URL('../../../../conformance/address.json', import.meta.url), 'utf8'),
) as Vectors;

describe('the address policy', () => {
  const policy = createAddressPolicy([]);

  it.each(vectors.addresses.forbidden)('forbids %s', (address) => {
    expect(policy.allows(address)).toBe(false);
  });
  it.each(vectors.addresses.allowed)('allows %s', (address) => {
    expect(policy.allows(address)).toBe(true);
  });
  it.each(vectors.addresses.invalid)('forbids what is no address: %j', (address) => {
    expect(policy.allows(address)).toBe(false);
    expect(createAddressPolicy(['0.0.0.0/0', '::/0']).allows(address)).toBe(false);
  });

  it('forbids every address of the private ranges, in each way to write it', () => {
    const byte = fc.integer({ min: 0, max: 255 });
    const inside = fc.oneof(
      fc.tuple(fc.constantFrom(0, 10, 127), byte, byte, byte),
      fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), byte, byte),
      fc.tuple(fc.constantFrom(192), fc.constant(168), byte, byte),
      fc.tuple(fc.integer({ min: 224, max: 255 }), byte, byte, byte),
    );
    fc.assert(
      fc.property(inside, ([a, b, c, d]) => {
        const plain = `${a}.${b}.${c}.${d}`;
        const hex = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
        expect(policy.allows(plain)).toBe(false);
        for (const host of [plain, String(hex), `0x${hex.toString(16)}`, `[::ffff:${plain}]`, `[::${plain}]`])
          expect(checkEndpointUrl(`https://${host}/`, strict)).toMatchObject({ why: 'blocked_address' });
      }),
      { numRuns: 500 },
    );
  });

  it('lets through exactly what the operator allowed', () => {
    const opened = createAddressPolicy(['10.1.0.0/16', 'fd00::/8', '192.0.2.7']);
    for (const address of ['10.1.0.0', '10.1.255.255', 'fd12::1', '192.0.2.7']) {
      expect(opened.allows(address)).toBe(true);
      expect(opened.exempts(address)).toBe(true);
    }
    for (const address of ['10.0.255.255', '10.2.0.0', 'fc00::1', '192.0.2.8', '127.0.0.1'])
      expect(opened.allows(address)).toBe(false);
    expect(opened.exempts('8.8.8.8')).toBe(false);
    expect(opened.allows('8.8.8.8')).toBe(true);
  });

  it.each([
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0/8',
    'fd00::/129',
    'example.com',
    '',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
  ])('says that %j is not a subnet', (subnet) => {
    expect(() => createAddressPolicy([subnet])).toThrow(`'${subnet}' is not a subnet`);
  });
});

const strict = { httpsOnly: true, allowSubnets: [], denySubnets: [], allowPorts: [] };

describe('the check of an endpoint URL', () => {
  it.each(vectors.urls.refused)('refuses $url', ({ url, why }) => {
    const verdict = checkEndpointUrl(url, strict);
    expect(verdict).toMatchObject({ ok: false, why, message: expect.stringMatching(/^[A-Z].+\.$/) });
  });
  it.each(vectors.urls.accepted)('accepts $url', ({ url, href }) => {
    expect(checkEndpointUrl(url, strict)).toEqual({ ok: true, href });
    expect(checkEndpointUrl(href, strict)).toEqual({ ok: true, href });
  });

  const exempting = { ...strict, allowSubnets: vectors.exempt.allowSubnets };
  it.each(vectors.exempt.accepted)('with subnets allowed, accepts %s', (url) => {
    expect(checkEndpointUrl(url, exempting)).toMatchObject({ ok: true });
  });
  it.each(vectors.exempt.refused)('with subnets allowed, still refuses $url', ({ url, why }) => {
    expect(checkEndpointUrl(url, exempting)).toMatchObject({ ok: false, why });
  });

  const { allowSubnets, denySubnets } = vectors.denied;
  const denying = { ...strict, allowSubnets, denySubnets };
  it.each(vectors.denied.accepted)('with subnets denied, still accepts %s', (url) => {
    expect(checkEndpointUrl(url, denying)).toMatchObject({ ok: true });
  });
  it.each(vectors.denied.refused)('with subnets denied, refuses $url', ({ url, why }) => {
    expect(checkEndpointUrl(url, denying)).toMatchObject({ ok: false, why });
  });

  it('accepts http and further ports where the operator says so', () => {
    expect(checkEndpointUrl('http://example.com/', { ...strict, httpsOnly: false })).toMatchObject({
      ok: true,
    });
    expect(checkEndpointUrl('https://example.com:25/', { ...strict, allowPorts: [25] })).toMatchObject({
      ok: true,
    });
  });

  it('answers for any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.string({ unit: 'binary' })), (text) => {
        expect(typeof checkEndpointUrl(text, strict).ok).toBe('boolean');
      }),
    );
  });
});
