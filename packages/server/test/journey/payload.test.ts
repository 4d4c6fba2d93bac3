import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { messageInRaw, Svix } from 'svix';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  startReceiver,
  startTestServer,
  type Arrival,
  type Receiver,
  type TestServer,
  type Json,
} from './harness.ts';

let server: TestServer;
let receiver: Receiver;
let secret: string;

beforeAll(async () => {
  server = await startTestServer();
  receiver = await startReceiver();
  await server.call('POST', '/api/v1/app', { name: 'Bytes', uid: 'bytes' });
  await server.call('POST', '/api/v1/app/bytes/endpoint', { url: receiver.url, uid: 'all' });
  secret = (await server.call('GET', '/api/v1/app/bytes/endpoint/all/secret')).body.key;
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});

const arrivalOf = async (id: string) =>
  (await receiver.until((all) => all.some((one) => one.headers['webhook-id'] === id))).find(
    (one) => one.headers['webhook-id'] === id,
  )!;

/** Texts with all that a parser would lose: duplicate keys, `1.0`, `\u0000`, lone surrogates, odd space. */
const payloads = (count: number, seed: number): string[] => {
  const atom = fc.constantFrom(
    '1.0',
    '-0',
    '1e400',
    '12345678901234567890',
    '"\\u0000"',
    '"\\ud800"',
    '"\\udfff\\ud800"',
    '"é\\u00e9"',
    '"😀"',
    'null',
    '""',
    'true',
  );
  const { object } = fc.letrec<{ value: string; object: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      atom,
      fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(' ,')}]`),
      tie('object'),
    ),
    object: fc
      .array(fc.tuple(fc.constantFrom('"a"', '"\\u0061"', '"__proto__"', '"b c"', '""'), tie('value')), {
        maxLength: 4,
      })
      .map((entries) => `{${entries.map(([key, value]) => `${key}:\n ${value}`).join(' ,')}}`),
  }));
  return fc.sample(object, { numRuns: count, seed });
};

describe('payload bytes', () => {
  it('are received, signed and read back exactly as posted, for 10,000 JSON texts', async () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_007);
    const texts = payloads(10_000, seed);
    const posted = new Map<string, string>();
    for (let from = 0; from < texts.length; from += 500) {
      const chunk = texts.slice(from, from + 500);
      const body = `{"messages":[${chunk.map((text) => `{"eventType":"bytes","payload":${text}}`).join(',')}]}`;
      const answer = await server.call('POST', '/api/v1/app/bytes/msg/batch?with_content=false', body);
      expect(answer.status, `seed ${seed}: ${JSON.stringify(answer.body).slice(0, 500)}`).toBe(202);
      answer.body.data.forEach((item: Json, index: number) => {
        expect(item.status, `seed ${seed}: ${JSON.stringify(item)} for ${chunk[index]!}`).toBe(202);
        posted.set(item.message.id, chunk[index]!);
      });
    }
    const arrivals = await receiver.until((all) => all.length >= texts.length);
    const verifier = new Webhook(secret);
    for (const arrival of arrivals) {
      const id = String(arrival.headers['webhook-id']);
      const text = arrival.body.toString();
      expect(text, `seed ${seed}`).toBe(posted.get(id));
      verifier.verify(text, arrival.headers as Record<string, string>);
      posted.delete(id);
    }
    expect(posted.size).toBe(0);
    const last = arrivals.at(-1)!;
    const read = await fetch(`${server.url}/api/v1/app/bytes/msg/${String(last.headers['webhook-id'])}`, {
      headers: { authorization: `Bearer ${server.token}` },
    });
    expect(await read.text()).toContain(`"payload":${last.body.toString()}`);
  }, 120_000);

  it('may be XML or any text, by the SDK, with their own type', async () => {
    const svix = new Svix(server.token, { serverUrl: server.url });
    const xml = '<?xml version="1.0"?>\r\n<order id="1">é</order>';
    const message = await svix.message.create(
      'bytes',
      messageInRaw('bytes', xml, 'application/xml; charset=utf-8'),
    );
    const arrival = await arrivalOf(message.id);
    expect(arrival.body.toString()).toBe(xml);
    expect(arrival.headers['content-type']).toBe('application/xml; charset=utf-8');
    expect(isSigned(arrival)).toBe(true);
  });

  it('may be any bytes, as base64', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const { status, body } = await server.call('POST', '/api/v1/app/bytes/msg', {
      eventType: 'bytes',
      payload: {},
      transformationsParams: {
        headers: { 'content-type': 'application/octet-stream' },
        posthorn: { rawPayloadBase64: bytes.toString('base64') },
      },
    });
    expect(status).toBe(202);
    const arrival = await arrivalOf(body.id);
    expect(arrival.body.equals(bytes)).toBe(true);
    expect(isSigned(arrival)).toBe(true);
  });
});

/** The formula by hand: the official verifiers read what they verify as JSON. */
const isSigned = (arrival: Arrival): boolean => {
  const {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures,
  } = arrival.headers;
  const hmac = createHmac('sha256', Buffer.from(secret.replace('whsec_', ''), 'base64'));
  hmac.update(`${String(id)}.${String(timestamp)}.`).update(arrival.body);
  return String(signatures)
    .split(' ')
    .includes(`v1,${hmac.digest('base64')}`);
};
