import { generateKeyPairSync } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  attemptsOf,
  createApplication,
  createEndpoint,
  eventually,
  isSignedBy,
  postMessage,
  startReceiver,
  startTestServer,
  type Arrival,
  type Receiver,
  type TestServer,
} from './harness.ts';

let receiver: Receiver;
let server: TestServer;
beforeAll(async () => {
  receiver = await startReceiver();
  server = await startTestServer();
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});

const secretOf = async (on: TestServer, at: string): Promise<string> =>
  (await on.call('GET', `${at}/secret`)).body.key;
const arrivalOf = async (id: string): Promise<Arrival> =>
  (await receiver.until((all) => all.some(({ rawHeaders }) => rawHeaders.includes(id)))).find(
    ({ rawHeaders }) => rawHeaders.includes(id),
  )!;
const send = async (on: TestServer, app: string): Promise<Arrival> =>
  arrivalOf(await postMessage(on, app, 'signed', { a: 'é', b: [1.5] }));
const signatures = (arrival: Arrival): string[] => String(arrival.headers['webhook-signature']).split(' ');
const headersOf = (arrival: Arrival) => arrival.headers as Record<string, string>;

/** An Ed25519 pair as Standard Webhooks writes it. */
const makePair = (): { secret: string; shown: string } => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32);
  const pub = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  return {
    secret: `whsk_${Buffer.concat([seed, pub]).toString('base64')}`,
    shown: `whpk_${pub.toString('base64')}`,
  };
};

describe('signatures', () => {
  it('v1 are taken by the official verifiers, and by no other key, body or id', async () => {
    const app = await createApplication(server, 'v1');
    const endpoint = await createEndpoint(server, app, { url: receiver.url });
    const secret = await secretOf(server, `${app}/endpoint/${endpoint.id}`);
    const arrival = await send(server, app);
    const text = arrival.body.toString();
    expect(new Webhook(secret).verify(text, headersOf(arrival))).toEqual({ a: 'é', b: [1.5] });
    new SvixWebhook(secret).verify(text, headersOf(arrival));
    expect(() => new SvixWebhook(secret).verify(`${text} `, headersOf(arrival))).toThrow();
    expect(() => new Webhook(secret).verify(`${text} `, headersOf(arrival))).toThrow();
    expect(() =>
      new Webhook(secret).verify(text, { ...headersOf(arrival), 'webhook-id': 'msg_other' }),
    ).toThrow();
    expect(() =>
      new Webhook(`whsec_${Buffer.alloc(24).toString('base64')}`).verify(text, headersOf(arrival)),
    ).toThrow();
  });

  it('use the secret that the endpoint brought', async () => {
    const app = await createApplication(server, 'own-secret');
    const secret = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`;
    const endpoint = await createEndpoint(server, app, { url: receiver.url, secret });
    expect(endpoint.secret).toBeUndefined();
    expect(await secretOf(server, `${app}/endpoint/${endpoint.id}`)).toBe(secret);
    expect(isSignedBy(secret, await send(server, app))).toBe(true);
  });

  it('v1a are made with a whsk_ secret; only the public key is ever shown', async () => {
    const app = await createApplication(server, 'v1a');
    const pair = makePair();
    const endpoint = await createEndpoint(server, app, { url: receiver.url, secret: pair.secret });
    expect(await secretOf(server, `${app}/endpoint/${endpoint.id}`)).toBe(pair.shown);
    const arrival = await send(server, app);
    expect(signatures(arrival)).toHaveLength(1);
    expect(signatures(arrival)[0]).toMatch(/^v1a,/);
    expect(isSignedBy(pair.shown, arrival)).toBe(true);
    expect(isSignedBy(makePair().shown, arrival)).toBe(false);
  });

  it('of both keys are sent while the old one has its grace, then of the new one alone', async () => {
    const app = await createApplication(server, 'rotated');
    const endpoint = await createEndpoint(server, app, { url: receiver.url });
    const at = `${app}/endpoint/${endpoint.id}`;
    const old = await secretOf(server, at);
    const pair = makePair();
    expect(
      (await server.call('POST', `${at}/secret/rotate`, { key: pair.secret, gracePeriodSeconds: 1 })).status,
    ).toBe(204);
    expect(await secretOf(server, at)).toBe(pair.shown);
    const during = await send(server, app);
    expect([isSignedBy(pair.shown, during), isSignedBy(old, during)]).toEqual([true, true]);
    expect(signatures(during).map((one) => one.split(',')[0])).toEqual(['v1a', 'v1']);
    // The official verifier finds its own among several.
    new Webhook(old).verify(during.body.toString(), headersOf(during));
    const after = await eventually(
      () => send(server, app),
      (arrival) => signatures(arrival).length === 1,
    );
    expect([isSignedBy(pair.shown, after), isSignedBy(old, after)]).toEqual([true, false]);
  });

  it('of the new key alone are sent after a rotation without grace', async () => {
    const app = await createApplication(server, 'no-grace');
    const endpoint = await createEndpoint(server, app, { url: receiver.url });
    const at = `${app}/endpoint/${endpoint.id}`;
    const old = await secretOf(server, at);
    await send(server, app);
    expect((await server.call('POST', `${at}/secret/rotate`, { gracePeriodSeconds: 0 })).status).toBe(204);
    const current = await secretOf(server, at);
    expect(current).not.toBe(old);
    const arrival = await send(server, app);
    expect(signatures(arrival)).toHaveLength(1);
    expect([isSignedBy(current, arrival), isSignedBy(old, arrival)]).toEqual([true, false]);
  });

  it('of at most ten old keys are kept, and a rotation beyond that is refused', async () => {
    const app = await createApplication(server, 'many-keys');
    const endpoint = await createEndpoint(server, app, { url: receiver.url });
    const at = `${app}/endpoint/${endpoint.id}`;
    for (let i = 0; i < 10; i++) expect((await server.call('POST', `${at}/secret/rotate`)).status).toBe(204);
    expect(signatures(await send(server, app))).toHaveLength(11);
    expect(await server.call('POST', `${at}/secret/rotate`)).toMatchObject({
      status: 400,
      body: { code: 'limit_reached' },
    });
  });

  it.each([
    '',
    'whsec_',
    'whsec_!!!!',
    `whsec_${Buffer.alloc(23).toString('base64')}`,
    `whsec_${Buffer.alloc(76).toString('base64')}`,
    'whsk_AAAA',
    Buffer.alloc(32).toString('base64'),
    `whsk_${Buffer.alloc(64, 1).toString('base64')}`,
  ])('cannot be made with a secret like %j', async (secret) => {
    const app = (
      await server.call('POST', '/api/v1/app?get_if_exists=true', { name: 'bad', uid: 'bad-secrets' })
    ).body.id;
    const { status, body } = await server.call('POST', `/api/v1/app/${app}/endpoint`, {
      url: receiver.url,
      secret,
    });
    expect(status).toBe(422);
    expect(body.detail[0].loc).toEqual(['body', 'secret', '__all__']);
  });
});

describe('a deployment', () => {
  it.each([
    ['webhook', true, false],
    ['svix', false, true],
    ['both', true, true],
  ])(
    'with POSTHORN_HEADERS=%s names its headers so, and signs by ed25519 where it says so',
    async (names, hasWebhook, hasSvix) => {
      const own = await startTestServer({ POSTHORN_HEADERS: names, POSTHORN_SIGNATURE: 'ed25519' });
      try {
        const app = await createApplication(own, 'named');
        const endpoint = await createEndpoint(own, app, { url: receiver.url });
        const secret = await secretOf(own, `${app}/endpoint/${endpoint.id}`);
        expect(secret).toMatch(/^whpk_/);
        const arrival = await send(own, app);
        const part = (prefix: string) =>
          ['id', 'timestamp', 'signature'].map((name) => arrival.headers[`${prefix}-${name}`] !== undefined);
        expect(part('webhook')).toEqual([hasWebhook, hasWebhook, hasWebhook]);
        expect(part('svix')).toEqual([hasSvix, hasSvix, hasSvix]);
        if (hasWebhook) expect(isSignedBy(secret, arrival)).toBe(true);
        if (hasSvix) expect(isSignedBy(secret, arrival, 'svix-')).toBe(true);
      } finally {
        await own.stop();
      }
    },
  );
});

describe('custom headers', () => {
  it('are sent with the case they have; sensitive ones are shown nowhere', async () => {
    const app = await createApplication(server, 'headers');
    const endpoint = await createEndpoint(server, app, {
      url: receiver.url,
      headers: { 'X-Plain': 'plain', Authorization: 'Bearer s3cr3t', 'X-Api-Key': 'k3y' },
    });
    const at = `${app}/endpoint/${endpoint.id}`;
    expect((await server.call('GET', `${at}/headers`)).body).toEqual({
      headers: { 'X-Plain': 'plain' },
      sensitive: ['Authorization', 'X-Api-Key'],
    });
    const id = await postMessage(server, app, 'headers');
    const arrival = await arrivalOf(id);
    expect(arrival.headers).toMatchObject({
      'x-plain': 'plain',
      authorization: 'Bearer s3cr3t',
      'x-api-key': 'k3y',
    });
    expect(arrival.rawHeaders).toContain('X-Plain');
    const [{ id: attemptId }] = await attemptsOf(server, app, id, (all) => all.length === 1);
    const attempt = (await server.call('GET', `${app}/msg/${id}/attempt/${String(attemptId)}`)).body;
    const sent = new Map<string, string>(attempt.evidence.requestHeaders);
    expect([sent.get('X-Plain'), sent.get('Authorization'), sent.get('X-Api-Key')]).toEqual([
      'plain',
      '[redacted]',
      '[redacted]',
    ]);
    expect(JSON.stringify(attempt)).not.toMatch(/s3cr3t|k3y/);
    const kept = await server.sql('select evidence::text as evidence from attempt where msg_id = $1', [id]);
    expect(JSON.stringify(kept)).not.toMatch(/s3cr3t|k3y/);
    const [stored] = await server.sql(
      `select encode(headers, 'escape') as headers, keys::text as keys from endpoint where id = $1`,
      [endpoint.id],
    );
    expect(stored.headers).not.toMatch(/s3cr3t/);
    expect(stored.keys).not.toContain((await secretOf(server, at)).replace('whsec_', ''));

    await server.call('PATCH', `${at}/headers`, { headers: { 'x-plain': null, 'X-More': 'more' } });
    const next = await arrivalOf(await postMessage(server, app, 'headers'));
    expect([next.headers['x-plain'], next.headers['x-more'], next.headers['authorization']]).toEqual([
      undefined,
      'more',
      'Bearer s3cr3t',
    ]);
  });

  it.each([
    [{ Host: 'evil' }],
    [{ 'webhook-id': 'msg_forged' }],
    [{ 'svix-signature': 'v1,forged' }],
    [{ 'Content-Length': '1' }],
    [{ 'Transfer-Encoding': 'chunked' }],
    [{ 'X-Two\r\nLines': 'a' }],
    [{ 'X-Value': 'a\r\nb' }],
    [{ 'X-Nul': 'a\0' }],
    [{ 'X-Wide': '中' }],
    [{ '': 'nameless' }],
    [{ 'X-Long': 'a'.repeat(4097) }],
  ])('cannot be %j', async (headers) => {
    const app = (
      await server.call('POST', '/api/v1/app?get_if_exists=true', { name: 'bad', uid: 'bad-headers' })
    ).body.id;
    const { status } = await server.call('POST', `/api/v1/app/${app}/endpoint`, {
      url: receiver.url,
      headers,
    });
    expect(status).toBe(422);
  });
});
