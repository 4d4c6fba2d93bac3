import { createHash } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Oracle, createOracle, moody, steady } from './oracle.ts';

const secret = `whsec_${Buffer.from('thirty-two bytes of a test secret').toString('base64')}`;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('the oracle', () => {
  let oracle: Oracle;
  let url: string;

  const send = (id: string, body: string, { signed = body, signal = null as AbortSignal | null } = {}) => {
    const at = new Date();
    const headers = {
      'user-agent': 'Posthorn/test-4711',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': new Webhook(secret).sign(id, at, signed),
    };
    return fetch(url, { method: 'POST', body, headers, signal });
  };

  beforeEach(async () => {
    oracle = await createOracle();
    const receiver = oracle.receiver((_messageId, nth) => ({ status: nth === 0 ? 500 : 204, afterMs: 0 }));
    receiver.know('ep_a', secret);
    url = receiver.url;
  });
  afterEach(() => oracle.close());

  it('remembers each request with its bytes, its signature and its answer', async () => {
    expect((await send('msg_1', '{"a":1.0}')).status).toBe(500);
    expect((await send('msg_1', '{"a":1.0}')).status).toBe(204);
    expect((await send('msg_2', '{"a":2}', { signed: '{"a":3}' })).status).toBe(500);
    expect(oracle.requests().every(({ sender }) => sender === 4711)).toBe(true);
    const seen = oracle
      .requests()
      .map(({ messageId, bodySha256, isSigned, answered }) => [messageId, bodySha256, isSigned, answered]);
    expect(seen).toEqual([
      ['msg_1', sha256('{"a":1.0}'), true, 500],
      ['msg_1', sha256('{"a":1.0}'), true, 204],
      ['msg_2', sha256('{"a":2}'), false, 500],
    ]);
    expect(
      oracle.requests().every(({ arrivedMs, endedMs }) => endedMs !== null && endedMs >= arrivedMs),
    ).toBe(true);
  });

  it('accepts the signature of what is no JSON', async () => {
    await send('msg_1', '<xml/>');
    expect(oracle.requests()[0]?.isSigned).toBe(true);
  });

  it('holds answers back until it lets them go', async () => {
    oracle.hold();
    const answer = send('msg_1', '{}');
    await oracle.until('the request', () => oracle.inFlight() === 1);
    expect(oracle.requests()[0]).toMatchObject({ answered: null, endedMs: null });
    oracle.release();
    expect((await answer).status).toBe(500);
    expect(oracle.inFlight()).toBe(0);
    oracle.hold();
    const next = send('msg_1', '{}');
    await oracle.until('the next', () => oracle.inFlight() === 1);
    oracle.release(418);
    expect((await next).status).toBe(418);
    expect(oracle.requests().map(({ answered }) => answered)).toEqual([500, 418]);
  });

  it('knows a request whose sender went away as unanswered', async () => {
    oracle.hold();
    const sender = new AbortController();
    const answer = send('msg_1', '{}', { signal: sender.signal });
    await oracle.until('the request', () => oracle.inFlight() === 1);
    sender.abort();
    await expect(answer).rejects.toThrow(/abort/);
    await oracle.until('its end', () => oracle.inFlight() === 0);
    oracle.release();
    expect(oracle.requests()[0]).toMatchObject({ answered: null });
    expect(oracle.requests()[0]?.endedMs).not.toBeNull();
  });

  it('says what it waited for in vain', async () => {
    await expect(oracle.until('a miracle', () => false, 1)).rejects.toThrow(
      'Waited 1 ms in vain for a miracle; 0 requests came',
    );
  });
});

describe('receivers', () => {
  const messageIds = Array.from({ length: 1_000 }, (_, n) => `msg_${n}`);

  it('that are steady always succeed', () => {
    expect(steady('msg_1', 0)).toEqual({ status: 204, afterMs: 0 });
  });

  it('that are moody fail sometimes, twice at most, are slow sometimes, and do the same again', () => {
    const behaviour = moody('seed');
    const failing = (nth: number) => messageIds.filter((id) => behaviour(id, nth).status === 500).length;
    expect([failing(0) > 100, failing(0) < 300, failing(1) > 30, failing(2)]).toEqual([true, true, true, 0]);
    const slow = messageIds.filter((id) => behaviour(id, 0).afterMs > 0).length;
    expect(slow).toBeGreaterThan(50);
    expect(slow).toBeLessThan(200);
    expect(messageIds.map((id) => moody('seed')(id, 0))).toEqual(messageIds.map((id) => behaviour(id, 0)));
    expect(messageIds.map((id) => moody('other')(id, 0))).not.toEqual(
      messageIds.map((id) => behaviour(id, 0)),
    );
  });
});
