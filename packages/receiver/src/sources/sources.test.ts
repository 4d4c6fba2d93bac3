import { describe, expect, it } from 'vitest';
import type { IncomingRequest } from '../contract.ts';
import { apiKey, basicAuth, mtls } from './index.ts';

const request = (
  headers: IncomingRequest['headers'],
  more: Partial<IncomingRequest> = {},
): IncomingRequest => ({
  method: 'POST',
  url: 'https://example.com/hooks',
  headers,
  body: new Uint8Array(),
  ...more,
});
const basic = (text: string): IncomingRequest =>
  request({ Authorization: `Basic ${Buffer.from(text).toString('base64')}` });
const code = (expected: string): object => ({ ok: false, code: expected });

describe('basicAuth', () => {
  const source = basicAuth([
    { user: 'new', password: 'geheim:Ü' },
    { user: 'old', password: 'x' },
  ]);

  it('takes each user with its password, and says which it was', async () => {
    expect(await source.check(basic('new:geheim:Ü'))).toEqual({
      ok: true,
      id: null,
      timestampMs: null,
      secretIndex: 0,
    });
    expect(await source.check(basic('old:x'))).toMatchObject({ ok: true, secretIndex: 1 });
    const lower = request({ authorization: `bAsIc   ${btoa('old:x')}` });
    expect(await source.check(lower)).toMatchObject({ ok: true });
  });

  it('refuses everything else', async () => {
    for (const text of ['new:x', 'old:geheim:Ü', 'old:x ', 'old:', ':x', 'old', '', 'old:x\0'])
      expect(await source.check(basic(text))).toMatchObject({ ok: false });
    expect(await source.check(basic('old:y'))).toMatchObject(code('bad_credentials'));
    expect(await source.check(request({ authorization: 'Basic %%%' }))).toMatchObject(
      code('bad_credentials'),
    );
    expect(await source.check(request({ authorization: 'Bearer x' }))).toMatchObject(
      code('missing_credentials'),
    );
    expect(await source.check(request({}))).toMatchObject(code('missing_credentials'));
    const twice = request({ authorization: [`Basic ${btoa('old:x')}`, 'Basic eA=='] });
    expect(await source.check(twice)).toMatchObject(code('duplicate_header'));
  });

  it('does not start without users that are whole', () => {
    for (const users of [
      [],
      { user: '', password: 'x' },
      { user: 'a', password: '' },
      { user: 'a:b', password: 'x' },
    ])
      expect(() => basicAuth(users)).toThrow(TypeError);
  });
});

describe('apiKey', () => {
  it('is a bearer token where nothing else is said', async () => {
    const source = apiKey(['k1', 'k2']);
    expect(await source.check(request({ authorization: 'Bearer k2' }))).toMatchObject({
      ok: true,
      secretIndex: 1,
    });
    for (const value of ['Bearer k', 'Bearer k11', 'Bearer K1'])
      expect(await source.check(request({ authorization: value }))).toMatchObject(code('bad_credentials'));
    for (const value of ['k1', 'Basic k1', 'Bearer', 'Bearer '])
      expect(await source.check(request({ authorization: value }))).toMatchObject(
        code('missing_credentials'),
      );
  });

  it('comes in any header or query parameter', async () => {
    const inHeader = apiKey('k', { header: 'X-Api-Key' });
    expect(await inHeader.check(request({ 'x-api-key': 'k' }))).toMatchObject({ ok: true });
    expect(await inHeader.check(request({ 'x-api-key': ['k', 'k'] }))).toMatchObject(
      code('duplicate_header'),
    );
    const prefixed = apiKey('k', { header: 'x-token', prefix: 'Token ' });
    expect(await prefixed.check(request({ 'x-token': 'token k' }))).toMatchObject({ ok: true });
    const inQuery = apiKey('k+', { query: 'key' });
    for (const url of ['https://example.com/?a=b&key=k%2B', '/hooks?key=k%2B#key=x'])
      expect(await inQuery.check(request({}, { url }))).toMatchObject({ ok: true });
    for (const url of ['/hooks', '/hooks?key=', '/hooks#?key=k%2B'])
      expect(await inQuery.check(request({}, { url }))).toMatchObject(code('missing_credentials'));
  });

  it('says what to deduplicate by when told where it is', async () => {
    const source = apiKey('k', { name: 'crm', id: { json: 'event.id' }, eventType: { header: 'x-type' } });
    const body = new TextEncoder().encode('{"event":{"id":12}}');
    expect(source.name).toBe('crm');
    const headers = { authorization: 'Bearer k', 'x-type': 'made' };
    expect(await source.check(request(headers, { body }))).toMatchObject({ id: '12', eventType: 'made' });
  });

  it('does not start without a key', () => {
    for (const keys of ['', [], ['a', ''], undefined as unknown as string])
      expect(() => apiKey(keys)).toThrow(TypeError);
  });
});

describe('mtls', () => {
  const der = new TextEncoder().encode('not really a certificate');
  // printf 'not really a certificate' | sha256sum
  const fingerprint = 'd6182255e5739d55fc9781759c7a823d4dff3d2b7d17949e7085ee7c0cc22acf';
  const peer = { peerAddress: '10.0.0.1' };
  const trustedProxies = ['10.0.0.0/8'];

  it('takes the certificate as RFC 9440 writes it', async () => {
    const source = mtls(fingerprint, { trustedProxies });
    const header = `:${Buffer.from(der).toString('base64')}:`;
    expect(await source.check(request({ 'client-cert': header }, peer))).toMatchObject({ ok: true });
    for (const value of [header.slice(1), ':eA==:', header.replace(':b', ':c'), ':%:'])
      expect(await source.check(request({ 'client-cert': value }, peer))).toMatchObject(
        code('bad_credentials'),
      );
    expect(await source.check(request({}, peer))).toMatchObject(code('missing_credentials'));
    expect(await source.check(request({ 'client-cert': [header, header] }, peer))).toMatchObject(
      code('duplicate_header'),
    );
    const joined = request({ 'client-cert': `${header}, ${header}` }, peer);
    expect(await source.check(joined)).toMatchObject(code('bad_credentials'));
  });

  it('believes nobody but the proxy', async () => {
    const source = mtls(fingerprint, { trustedProxies, header: 'x-fp', format: 'sha256' });
    const headers = { 'x-fp': fingerprint };
    expect(await source.check(request(headers, peer))).toMatchObject({ ok: true });
    expect(await source.check(request(headers, { peerAddress: '::ffff:10.0.0.1' }))).toMatchObject({
      ok: true,
    });
    for (const peerAddress of ['192.0.2.1', '', undefined, '10.0.0.1, 192.0.2.1'])
      expect(await source.check(request(headers, { peerAddress }))).toMatchObject(code('untrusted_proxy'));
    const any = mtls(fingerprint, { trustedProxies: 'any', header: 'x-fp', format: 'sha256' });
    expect(await any.check(request(headers))).toMatchObject({ ok: true });
  });

  it('takes a fingerprint with colons, and asks whether the proxy found it good', async () => {
    const source = mtls([fingerprint], {
      trustedProxies,
      header: 'ssl-fp',
      format: 'sha256',
      verified: { header: 'ssl-verify', value: 'SUCCESS' },
    });
    const colons = fingerprint.toUpperCase().replace(/..(?=.)/g, '$&:');
    const good = { 'ssl-fp': colons, 'ssl-verify': 'SUCCESS' };
    expect(await source.check(request(good, peer))).toMatchObject({ ok: true });
    for (const value of ['FAILED:expired', 'NONE', '', 'success'])
      expect(await source.check(request({ ...good, 'ssl-verify': value }, peer))).toMatchObject(
        code('bad_credentials'),
      );
  });

  it('takes what the nearest Envoy says, not what stands before', async () => {
    const source = mtls(fingerprint, { trustedProxies, header: 'x-forwarded-client-cert', format: 'xfcc' });
    const other = 'ab'.repeat(32);
    const ask = (value: string): ReturnType<typeof source.check> =>
      source.check(request({ 'x-forwarded-client-cert': value }, peer));
    expect(await ask(`By=spiffe://x;Hash=${fingerprint};Subject="CN=a, O=b;c"`)).toMatchObject({ ok: true });
    expect(await ask(`Hash=${other},Hash=${fingerprint}`)).toMatchObject({ ok: true });
    for (const value of [
      `Hash=${fingerprint},Hash=${other}`,
      `Hash=${other};Subject="x;Hash=${fingerprint}"`,
      `Hash=${other};Subject="\\",Hash=${fingerprint}"`,
      `XHash=${fingerprint}`,
    ])
      expect(await ask(value)).toMatchObject(code('bad_credentials'));
  });

  it('compares any other text as it is', async () => {
    const subject = 'CN=sender, O=Example';
    const source = mtls(subject, { trustedProxies, header: 'x-subject', format: 'text' });
    expect(await source.check(request({ 'x-subject': subject }, peer))).toMatchObject({ ok: true });
    expect(await source.check(request({ 'x-subject': `${subject}, ${subject}` }, peer))).toMatchObject(
      code('bad_credentials'),
    );
  });

  it('does not start with addresses that are none', () => {
    expect(() => mtls(fingerprint, { trustedProxies: ['10.0.0.0/33'] })).toThrow('10.0.0.0/33');
    expect(() => mtls([], { trustedProxies })).toThrow(TypeError);
  });
});
