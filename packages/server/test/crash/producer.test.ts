import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Producer, startProducer } from './producer.ts';

type Call = { readonly eventId: string; readonly key: string | undefined; readonly body: string };

/** Answers a call, or breaks its connection. */
type Script = (call: Call, nth: number, response: ServerResponse) => void;

const say = (
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
};

describe('the producers', () => {
  let server: Server;
  let producer: Producer;
  let script: Script;
  let calls: Call[];

  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += String(chunk);
    const eventId = /"eventId":"([^"]+)"/.exec(body)?.[1] ?? '';
    const key = request.headers['idempotency-key'];
    const call: Call = { eventId, key: typeof key === 'string' ? key : undefined, body };
    const nth = calls.filter((earlier) => earlier.eventId === eventId).length;
    calls.push(call);
    script(call, nth, response);
  };

  const start = (count: number): void => {
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('No address');
    const url = `http://127.0.0.1:${address.port}`;
    producer = startProducer({ url, token: 'token', applicationId: 'app_1', count, pauseMs: 0 });
  };

  beforeEach(async () => {
    calls = [];
    server = createServer((request, response) => void receive(request, response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    await producer.close();
    server.closeAllConnections();
    server.close();
  });

  it('remember what was acknowledged, each event with bytes of its own', async () => {
    script = ({ eventId }, _nth, response) => say(response, 202, { id: `msg_${eventId}` });
    start(3);
    await producer.until('20 acknowledgements', () => producer.acknowledgedAt().length >= 20);
    await producer.finish();
    const postings = producer.postings();
    expect(postings.every(({ end }) => end === 'acknowledged')).toBe(true);
    expect(postings.map(({ messageIds }) => messageIds)).toEqual(
      postings.map(({ eventId }) => [`msg_${eventId}`]),
    );
    const payload = /"payload":([^]*)\}$/.exec(calls[0]?.body ?? '')?.[1] ?? '';
    expect(postings[0]?.payloadSha256).toBe(createHash('sha256').update(payload).digest('hex'));
    expect(new Set(postings.map(({ payloadSha256 }) => payloadSha256)).size).toBe(postings.length);
    expect(calls.filter(({ key }) => key !== undefined).length).toBeGreaterThan(5);
    expect(calls.every(({ key, eventId }) => key === undefined || key === eventId)).toBe(true);
  });

  it('post again with the same words what had no answer, and notice a second id', async () => {
    script = (call, nth, response) => {
      if (nth === 0) response.destroy();
      else if (nth === 1) say(response, 503, { code: 'outcome_unknown' }, { 'retry-after': '1' });
      else if (call.key === undefined) say(response, 409, { code: 'conflict' });
      else say(response, 202, { id: 'msg_1' });
    };
    start(0);
    const [keyed, unkeyed] = [await producer.post(), await producer.post()];
    expect(keyed).toMatchObject({ end: 'acknowledged', messageIds: ['msg_1'] });
    expect(unkeyed).toMatchObject({ end: 'acknowledged', messageIds: [] });
    expect(new Set(calls.map(({ key, body }) => `${key ?? ''} ${body}`)).size).toBe(2);
    expect(calls).toHaveLength(6);
    expect(producer.surprises()).toEqual([]);
  });

  it('take a refusal for what it says, and some of them give up then', async () => {
    script = (_call, nth, response) => {
      if (nth === 0) say(response, 503, { code: 'unavailable' }, { 'retry-after': '1' });
      else say(response, 202, { id: 'msg_1' });
    };
    start(0);
    expect(await producer.post()).toMatchObject({ end: 'refused', messageIds: [] });
    expect(await producer.post()).toMatchObject({ end: 'acknowledged' });
    expect(producer.refusals().map(({ retryAfter, code }) => [retryAfter, code])).toEqual([
      ['1', 'unavailable'],
      ['1', 'unavailable'],
    ]);
  });

  it('do not give up on what was refused after a try without an answer', async () => {
    script = (_call, nth, response) => {
      if (nth === 0) response.destroy();
      else if (nth === 1) say(response, 503, { code: 'unavailable' }, { 'retry-after': '1' });
      else say(response, 202, { id: 'msg_1' });
    };
    start(0);
    expect(await producer.post()).toMatchObject({ end: 'acknowledged' });
    expect(calls).toHaveLength(3);
  });

  it('are surprised by what no server should answer', async () => {
    const answers: Script[] = [
      (_call, _nth, response) => say(response, 500, {}),
      (_call, _nth, response) => say(response, 409, { code: 'conflict' }),
      (_call, _nth, response) => say(response, 503, { code: 'unavailable' }),
      (_call, _nth, response) => void response.writeHead(502).end('<html>'),
    ];
    script = (call, nth, response) => answers[(calls.length - 1) % 4]?.(call, nth, response);
    start(0);
    for (let n = 0; n < 4; n++) await producer.post();
    expect(producer.surprises()).toEqual([
      '500 {}',
      expect.stringMatching(/^409 for the first try of event-1-/),
      '503 unavailable without Retry-After',
      '502 without JSON: <html>',
    ]);
  });
});
