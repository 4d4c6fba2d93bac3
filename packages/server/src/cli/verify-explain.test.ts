import { sign } from '@posthorn/receiver';
import { describe, expect, it } from 'vitest';
import { parseCaptured, type Captured } from './captured.ts';
import { explain } from './verify-explain.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const OTHER = 'whsec_plJ3nmyCDGBKInavdOK15jslAAAAAAAA';
const NOW_MS = 1_614_265_330_000;
const HEADERS = {
  'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  'webhook-timestamp': '1614265330',
  'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
};
const BODY = '{"test": 2432232314}';

const judge = (
  body: string | Buffer,
  headers: Captured['headers'] = HEADERS,
  nowMs = NOW_MS,
  secrets = [SECRET],
) => explain({ headers, body: Buffer.from(body as string) }, secrets, nowMs, 300);

/** As a sender signs these bytes. */
const signed = async (body: string | Buffer): Promise<Captured['headers']> => ({
  ...HEADERS,
  ...(await sign(Buffer.from(body as string), SECRET, { id: HEADERS['webhook-id'], nowMs: NOW_MS })),
});

describe('the explanation of a captured request', () => {
  it('is short when it is genuine', async () => {
    const found = await judge(BODY);
    expect(found).toMatchObject({ ok: true, code: null, hints: [] });
    expect(found.checks.map(({ state }) => state)).toEqual(['ok', 'ok', 'ok', 'ok']);
  });

  it.each([
    ['missing_header', 'headers', { ...HEADERS, 'webhook-id': '' }, NOW_MS],
    ['bad_timestamp', 'timestamp', { ...HEADERS, 'webhook-timestamp': '1614265330abc' }, NOW_MS],
    ['timestamp_too_old', 'timestamp', HEADERS, NOW_MS + 400_000],
    ['timestamp_too_new', 'timestamp', HEADERS, NOW_MS - 400_000],
    ['no_usable_signature', 'signature format', { ...HEADERS, 'webhook-signature': 'v9,abc' }, NOW_MS],
    ['signature_mismatch', 'signature', { ...HEADERS, 'webhook-id': 'msg_other' }, NOW_MS],
  ])('names the check of %s', async (code, check, headers, nowMs) => {
    const found = await judge(BODY, headers, nowMs);
    expect(found).toMatchObject({ ok: false, code });
    expect(found.checks.find(({ state }) => state === 'failed')!.check).toBe(check);
    expect(found.hints.length).toBeGreaterThan(
      code === 'bad_timestamp' || code === 'no_usable_signature' ? -1 : 0,
    );
  });

  it('says that only the age is wrong', async () => {
    expect((await judge(BODY, HEADERS, NOW_MS + 400_000)).hints.join(' ')).toMatch(
      /400 s ago.*Apart from its age it is genuine/,
    );
  });

  it.each([
    [BODY, '{"test":2432232314}', 'parsed and printed again'],
    ['{"a":1,"b":[1,2]}', '{\n  "a": 1,\n  "b": [\n    1,\n    2\n  ]\n}', 'parsed and printed again'],
    ['{\n  "a": 1\n}', '{"a":1}', 'without its indentation'],
    [BODY, `${BODY}\n`, 'a line end was added'],
    [`${BODY}\n`, BODY, 'a line end was removed'],
    ['a\nb', 'a\r\nb', 'line ends'],
    ['a\r\nb', 'a\nb', 'line ends'],
    ['{}', '\uFEFF{}', 'byte order mark'],
    [Buffer.from('é'), Buffer.from('Ã©'), 'Latin-1'],
  ])('finds out what became of %j', async (sent, received, why) => {
    const found = await judge(received, await signed(sent));
    expect(found.code).toBe('signature_mismatch');
    expect(found.hints.join(' ')).toContain(why);
  });

  it('suspects the secret where the body explains nothing, and another sender where the headers are', async () => {
    expect((await judge(BODY, HEADERS, NOW_MS, [OTHER])).hints.join(' ')).toContain(
      'another endpoint’s secret',
    );
    expect((await judge(BODY, { 'x-hub-signature-256': 'sha256=aa' })).hints.join(' ')).toContain(
      'x-hub-signature-256',
    );
    expect((await judge(BODY, HEADERS, NOW_MS, ['whsec_'])).code).toBe('bad_secret');
  });
});

describe('a captured request', () => {
  it.each([
    ['POST /x HTTP/1.1\r\nA: 1\r\nb:2\r\n\r\nbody\r\n\r\nmore', 'body\r\n\r\nmore'],
    ['A: 1\nb: 2\n\nbody\r\n\r\nmore', 'body\r\n\r\nmore'],
    ['A: 1\r\nb: 2\r\n\r\n', ''],
  ])('keeps its body to the last byte: %j', (text, body) => {
    const captured = parseCaptured(Buffer.from(text))!;
    expect(captured.headers).toEqual({ a: '1', b: '2' });
    expect(captured.body.toString()).toBe(body);
  });

  it('keeps bytes that are no text, and headers that came twice', () => {
    const bytes = Buffer.concat([Buffer.from('a: 1\r\nA: 2\r\n\r\n'), Buffer.from([0xff, 0, 0x0a])]);
    expect(parseCaptured(bytes)).toEqual({ headers: { a: ['1', '2'] }, body: Buffer.from([0xff, 0, 0x0a]) });
  });

  it.each(['', 'body', '\r\n\r\nbody', 'no header\n\nbody'])('is not %j', (text) => {
    expect(parseCaptured(Buffer.from(text))).toBeNull();
  });
});
