import { describe, expect, it } from 'vitest';
import { createClock } from '../clock.ts';
import { createAddressPolicy } from './address.ts';
import { createLookup } from './lookup.ts';
import type { ResolveName } from './resolver.ts';
import { parseTarget, type Target, urlRules } from './url.ts';

const allowSubnets = ['127.0.0.0/8'];
const targetOf = (url: string): Target => {
  const verdict = parseTarget(
    url,
    urlRules({ httpsOnly: false, allowSubnets, denySubnets: [], allowPorts: [] }),
  );
  if (!verdict.ok) throw new Error(verdict.message);
  return verdict.target;
};
const lookupWith = (resolve: ResolveName, timeoutMs = 1_000) =>
  createLookup({ clock: createClock(), policy: createAddressPolicy(allowSubnets), resolve, timeoutMs });
const failing =
  (code: string): ResolveName =>
  () =>
    Promise.reject(Object.assign(new Error(code), { code }));
const refused = { ok: false, result: { kind: 'refused', why: 'blocked_address' } };

describe('lookup', () => {
  const example = targetOf('https://example.com/');

  it('hands out public addresses', async () => {
    const lookup = lookupWith(async () => ['93.184.215.14', '2606:2800:21f::1']);
    expect(await lookup(example)).toEqual({ ok: true, addresses: ['93.184.215.14', '2606:2800:21f::1'] });
  });

  it.each([
    [['10.0.0.1']],
    [['93.184.215.14', '169.254.169.254']],
    [['::1', '93.184.215.14']],
    [['nonsense']],
  ])('refuses the answer %j as a whole', async (addresses) => {
    expect(await lookupWith(async () => addresses)(example)).toEqual(refused);
  });

  it('uses of a local name only the addresses in allowed subnets', async () => {
    const local = targetOf('http://localhost:3000/');
    expect(await lookupWith(async () => ['::1', '127.0.0.1'])(local)).toEqual({
      ok: true,
      addresses: ['127.0.0.1'],
    });
    expect(await lookupWith(async () => ['93.184.215.14'])(local)).toEqual(refused);
  });

  it('does not ask for literal addresses', async () => {
    const lookup = lookupWith(failing('ENOTFOUND'));
    expect(await lookup(targetOf('http://127.0.0.1:3000/'))).toEqual({ ok: true, addresses: ['127.0.0.1'] });
  });

  it.each([
    ['ENOTFOUND', { kind: 'dns', code: 'dns_not_found' }],
    ['ENODATA', { kind: 'dns', code: 'dns_not_found' }],
    ['ESERVFAIL', { kind: 'dns', code: 'dns_failed' }],
    ['EAI_AGAIN', { kind: 'dns', code: 'dns_failed' }],
    ['ETIMEOUT', { kind: 'timeout', phase: 'dns' }],
  ])('turns %s into a result', async (code, result) => {
    expect(await lookupWith(failing(code))(example)).toEqual({ ok: false, result });
  });

  it('takes an empty answer for no such name', async () => {
    expect(await lookupWith(async () => [])(example)).toEqual({
      ok: false,
      result: { kind: 'dns', code: 'dns_not_found' },
    });
  });

  it('ends by its own budget when no answer comes', async () => {
    const lookup = lookupWith(() => new Promise(() => {}), 20);
    expect(await lookup(example)).toEqual({ ok: false, result: { kind: 'timeout', phase: 'dns' } });
  });

  it('asks once for connections that are opened together, and again after five seconds', async () => {
    let asked = 0;
    let nowMs = 0;
    const lookup = createLookup({
      clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
      policy: createAddressPolicy([]),
      timeoutMs: 1_000,
      resolve: async () => [`93.184.215.${++asked}`],
    });
    await Promise.all([lookup(example), lookup(example)]);
    nowMs = 4_999;
    expect(await lookup(example)).toEqual({ ok: true, addresses: ['93.184.215.1'] });
    nowMs = 5_000;
    expect(await lookup(example)).toEqual({ ok: true, addresses: ['93.184.215.2'] });
  });

  it('remembers neither failures of servers nor more names than it should', async () => {
    let asked = 0;
    const lookup = lookupWith(() => {
      asked++;
      return failing('ESERVFAIL')('');
    });
    await lookup(example);
    await lookup(example);
    expect(asked).toBe(2);
  });
});
