// What every runtime runs: the published package, all vectors, and one of each kind of source.
import { sign, standardWebhooks, verify, verifyOrThrow, WebhookVerificationError } from '@posthorn/receiver';
import { allowList, clientAddress } from '@posthorn/receiver/allow-list';
import * as presets from '@posthorn/receiver/presets';
import { apiKey, basicAuth, jwt, mtls } from '@posthorn/receiver/sources';

const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
const text = (string) => new TextEncoder().encode(string);

// Made when the module is loaded, where Workers allow neither chance nor I/O.
const made = [
  standardWebhooks('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'),
  presets.github('secret'),
  presets.twilio('token'),
  apiKey('key'),
  basicAuth({ user: 'user', password: 'password' }),
  jwt({ keys: { secret: 'a secret of thirty-two bytes, ok' } }),
  jwt({ keys: { jwksUrl: 'https://example.com/jwks' } }),
  mtls('ab'.repeat(32), { trustedProxies: 'any' }),
];

/** Whether everything that is wanted is there. */
const fits = (wanted, result) =>
  Object.entries(wanted).every(([name, value]) => JSON.stringify(result[name]) === JSON.stringify(value));

/** The names of what failed, and how much was tried. */
export const run = async ({ signature, senders, tokens }) => {
  const failed = [];
  let tried = 0;
  const expect = (name, good) => {
    tried += 1;
    if (!good) failed.push(name);
  };

  for (const { name, secrets, nowMs, headers, bodyBase64, expect: wanted } of signature.verify) {
    const { timestamp, ...rest } = wanted;
    const time = timestamp === undefined ? {} : { timestampMs: timestamp * 1000 };
    expect(name, fits({ ...rest, ...time }, await verify(bytes(bodyBase64), headers, secrets, { nowMs })));
  }
  for (const { name, secret, id, timestamp, bodyBase64, signature: wanted } of signature.sign) {
    const headers = await sign(bytes(bodyBase64), secret, { id, nowMs: timestamp * 1000 });
    expect(name, headers['webhook-signature'] === wanted);
  }
  for (const {
    name,
    preset,
    secrets,
    nowMs,
    options,
    description,
    request,
    expect: wanted,
  } of senders.vectors) {
    const more = { ...options, nowMs: () => nowMs };
    const source = description
      ? presets.hmacSource(description, secrets, more)
      : presets[preset](secrets, more);
    const result = await source.check({ ...request, body: bytes(request.bodyBase64) });
    expect(name, fits(wanted, result));
  }
  for (const { name, token, keys } of tokens) {
    const headers = new Headers({ authorization: `Bearer ${token}` });
    const result = await jwt({ keys }).check({ method: 'POST', url: '/', headers, body: new Uint8Array() });
    expect(name, result.ok);
  }

  const secret = crypto.getRandomValues(new Uint8Array(32));
  const body = text('{"städte":["Zürich"]}');
  const headers = new Headers(await sign(body, secret, { id: 'msg_1' }));
  const request = { method: 'POST', url: 'https://example.com/', headers, body, peerAddress: '192.0.2.7' };
  expect('own secret', (await standardWebhooks(secret).check(request)).ok);
  const thrown = await verifyOrThrow(text('{}'), headers, secret).catch((error) => error);
  expect('exception', thrown instanceof WebhookVerificationError && thrown.code === 'signature_mismatch');

  headers.set('authorization', `Basic ${btoa('user:password')}`);
  expect('basic', (await basicAuth({ user: 'user', password: 'password' }).check(request)).ok);
  expect('other password', !(await basicAuth({ user: 'user', password: 'other' }).check(request)).ok);
  headers.set('x-key', 'key');
  expect('key', (await apiKey('key', { header: 'x-key' }).check(request)).ok);
  headers.set('client-cert', `:${btoa('certificate')}:`);
  const fingerprint = 'ab'.repeat(32);
  const trustedProxies = ['192.0.2.0/24'];
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', text('certificate')));
  const hex = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  expect('certificate', (await mtls(hex, { trustedProxies }).check(request)).ok);
  expect('other certificate', !(await mtls(fingerprint, { trustedProxies }).check(request)).ok);
  expect('address', clientAddress(request).address === '192.0.2.7');
  expect('allowed', (await allowList(['192.0.2.0/24']).check(request)).ok);
  const empty = { method: 'POST', url: '/', headers: {}, body: new Uint8Array() };
  for (const source of made) expect(source.name, (await source.check(empty)).code.startsWith('missing_'));
  return { tried, failed };
};
