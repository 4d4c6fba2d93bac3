import fc from 'fast-check';
import { messageInRaw } from 'svix';
import { describe, expect, it } from 'vitest';
import { BATCH_LIMIT, parseBatch, parseMessage } from './parse-message.ts';

const NOW_MS = Date.parse('2026-05-01T12:00:00Z');

const parse = (value: unknown) =>
  parseMessage(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)), ['body'], NOW_MS);

const accepted = (value: unknown) => {
  const result = parse(value);
  if (result.kind !== 'ok') throw new Error(JSON.stringify(result.issues));
  return result.value;
};

const issuesOf = (value: unknown) => {
  const result = parse(value);
  if (result.kind === 'ok') throw new Error('was accepted');
  return result.issues;
};

const message = { eventType: 'user.created', payload: { id: 1 } };

describe('parseMessage', () => {
  it('keeps the payload byte for byte, whatever JSON text it is', () => {
    // Written by hand, so that it holds what JSON.stringify never makes.
    const atom = fc.constantFrom(
      '1.0',
      '-0',
      '1e400',
      '12345678901234567890',
      '"\\u0000"',
      '"\\ud800"',
      '"\\ud83d\\ude00"',
      '"é"',
      'null',
      '""',
    );
    const { value } = fc.letrec<{ value: string; object: string }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        atom,
        fc.array(tie('value')).map((items) => `[${items.join(' , ')}]`),
        tie('object'),
      ),
      object: fc
        .array(fc.tuple(fc.constantFrom('"a"', '"a"', '"\\u0061"', '"__proto__"', '""'), tie('value')), {
          maxLength: 4,
        })
        .map((entries) => `{${entries.map(([key, entry]) => `${key}\t:\n${entry}`).join(',')}}`),
    }));
    fc.assert(
      fc.property(fc.array(value, { maxLength: 3 }), (items) => {
        const payload = `{"items": [${items.join(',')}]}`;
        const result = accepted(`{"payload":${payload},"eventType":"a"}`);
        expect(result.payload.toString()).toBe(payload);
      }),
      { numRuns: 10_000 },
    );
  }, 60_000);

  it('takes what the SDK makes for raw payloads, with their type', () => {
    expect(accepted(messageInRaw('a', '<xml a="1"/>', 'application/xml; charset=utf-8'))).toMatchObject({
      payload: Buffer.from('<xml a="1"/>'),
      contentType: 'application/xml; charset=utf-8',
    });
    expect(accepted(messageInRaw('a', 'bytes \u0000\u0001 é'))).toMatchObject({
      payload: Buffer.from('bytes \u0000\u0001 é'),
      contentType: 'application/json',
    });
  });

  it('takes any bytes as base64', () => {
    const payload = Buffer.from([0, 255, 254, 128]);
    const given = {
      ...message,
      transformationsParams: {
        posthorn: { rawPayloadBase64: payload.toString('base64') },
        headers: { 'Content-Type': 'application/octet-stream' },
      },
    };
    expect(accepted(given)).toMatchObject({ payload, contentType: 'application/octet-stream' });
  });

  it('takes the retention in days or in hours', () => {
    expect(accepted(message).payloadRetentionHours).toBe(2160);
    expect(accepted({ ...message, payloadRetentionPeriod: 2 }).payloadRetentionHours).toBe(48);
    expect(accepted({ ...message, payloadRetentionHours: 7 }).payloadRetentionHours).toBe(7);
    const one = { payloadRetentionHours: 7, payloadRetentionPeriod: null };
    expect(accepted({ ...message, ...one }).payloadRetentionHours).toBe(7);
  });

  it('keeps when it happened, spelled either way', () => {
    const atMs = Date.UTC(2026, 0, 31, 12);
    expect(accepted({ ...message, occurredAt: '2026-01-31T12:00:00Z' }).occurredAtMs).toBe(atMs);
    const inside = {
      ...message,
      transformationsParams: { posthorn: { occurredAt: '2026-01-31T13:00:00+01:00' } },
    };
    expect(accepted(inside).occurredAtMs).toBe(atMs);
  });

  it('ignores unknown fields, takes null for not given and `data` for `payload`', () => {
    expect(accepted({ ...message, nonsense: [1], eventId: null, channels: null, tags: null })).toMatchObject({
      eventId: null,
      channels: null,
    });
    expect(accepted({ eventType: 'a', data: { b: 1 } }).payload.toString()).toBe('{"b":1}');
  });

  it.each([
    ['', ['body']],
    ['[]', ['body']],
    ['{"eventType":"a","payload":{}', ['body']],
    [{ payload: {} }, ['body', 'eventType']],
    [{ eventType: 'a' }, ['body', 'payload']],
    [{ eventType: 'a', payload: [] }, ['body', 'payload']],
    [{ eventType: 'a', payload: 'text' }, ['body', 'payload']],
    [{ ...message, eventType: 7 }, ['body', 'eventType']],
    [{ ...message, eventType: '' }, ['body', 'eventType', '__all__']],
    [{ ...message, eventType: 'a b' }, ['body', 'eventType', '__all__']],
    [{ ...message, eventType: 'x'.repeat(257) }, ['body', 'eventType', '__all__']],
    [{ ...message, eventId: 'msg_1' }, ['body', 'eventId', '__all__']],
    [{ ...message, eventId: 'a\u0000' }, ['body', 'eventId', '__all__']],
    [{ ...message, channels: [] }, ['body', 'channels']],
    [{ ...message, channels: Array(11).fill('a') }, ['body', 'channels']],
    [{ ...message, channels: ['ok', 5] }, ['body', 'channels', '[1]']],
    [{ ...message, tags: ['with space'] }, ['body', 'tags', '[0]']],
    [{ ...message, payloadRetentionHours: 0 }, ['body', 'payloadRetentionHours']],
    [{ ...message, payloadRetentionHours: 2161 }, ['body', 'payloadRetentionHours']],
    [{ ...message, payloadRetentionHours: '5' }, ['body', 'payloadRetentionHours']],
    [{ ...message, payloadRetentionHours: 5, payloadRetentionPeriod: 1 }, ['body', 'payloadRetentionHours']],
    [{ ...message, payloadRetentionPeriod: 0 }, ['body', 'payloadRetentionPeriod']],
    [{ ...message, payloadRetentionPeriod: 91 }, ['body', 'payloadRetentionPeriod']],
    [{ ...message, payloadRetentionPeriod: 1.5 }, ['body', 'payloadRetentionPeriod']],
    [{ ...message, occurredAt: 'yesterday' }, ['body', 'occurredAt']],
    [{ ...message, occurredAt: '9999-12-31T23:59:59Z' }, ['body', 'occurredAt']],
    [{ ...message, transformationsParams: [] }, ['body', 'transformationsParams']],
    [
      { ...message, transformationsParams: { rawPayload: 1 } },
      ['body', 'transformationsParams', 'rawPayload'],
    ],
    [
      { ...message, transformationsParams: { rawPayload: '\ud800' } },
      ['body', 'transformationsParams', 'rawPayload'],
    ],
    [
      { ...message, transformationsParams: { headers: { 'content-type': 'a\r\nb: c' } } },
      ['body', 'transformationsParams', 'headers', 'content-type'],
    ],
    [
      { ...message, transformationsParams: { posthorn: { rawPayloadBase64: '!!!!' } } },
      ['body', 'transformationsParams', 'posthorn', 'rawPayloadBase64'],
    ],
    ['{"eventType":"a","payload":{},"payload":{}}', ['body', 'payload']],
  ])('refuses %j and says where', (value, loc) => {
    expect(issuesOf(value).map((issue) => issue.loc)).toEqual([loc]);
  });

  it('refuses bytes that are no UTF-8', () => {
    const result = parseMessage(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), ['body'], NOW_MS);
    expect(result).toMatchObject({ kind: 'invalid', issues: [{ msg: expect.stringContaining('UTF-8') }] });
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => void parseMessage(Buffer.from(bytes), ['body'], NOW_MS)),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.json(), (text) => void parseMessage(Buffer.from(text), ['body'], NOW_MS)),
      { numRuns: 2000 },
    );
  });
});

describe('parseBatch', () => {
  it('takes an object with messages, or a bare list, and judges each message alone', () => {
    for (const text of [
      JSON.stringify({ messages: [message, { eventType: 1 }, message] }),
      ` ${JSON.stringify([message, {}, message])}`,
    ]) {
      const result = parseBatch(Buffer.from(text), NOW_MS);
      if (result.kind !== 'ok') throw new Error(JSON.stringify(result.issues));
      expect(result.value.map((item) => item.message.kind)).toEqual(['ok', 'invalid', 'ok']);
      const second = result.value[1]!.message;
      expect(second.kind === 'invalid' && second.issues[0]!.loc.slice(0, 3)).toEqual([
        'body',
        'messages',
        '[1]',
      ]);
    }
  });

  it('refuses what it does not know, each message for itself', () => {
    const result = parseBatch(Buffer.from(JSON.stringify([message, { ...message, chanels: ['a'] }])), NOW_MS);
    if (result.kind !== 'ok') throw new Error(JSON.stringify(result.issues));
    expect(result.value.map((item) => item.message)).toMatchObject([
      { kind: 'ok' },
      {
        kind: 'invalid',
        issues: [{ loc: ['body', 'messages', '[1]', 'chanels'], msg: 'unknown field `chanels`' }],
      },
    ]);
    const whole = parseBatch(Buffer.from(JSON.stringify({ messages: [message], dryRun: true })), NOW_MS);
    expect(whole).toMatchObject({ kind: 'invalid', issues: [{ loc: ['body', 'dryRun'] }] });
  });

  it('judges each message by its own depth', () => {
    const deep = (levels: number): string =>
      `{"eventType":"a","payload":{"a":${'['.repeat(levels)}"[}]"${']'.repeat(levels)}}}`;
    for (const levels of [[0, 120], [124, 1], [125, 0], [126, 126], [127], [200, 7, 126], [50_000, 3]]) {
      const texts = levels.map(deep);
      const alone = texts.map((text) => parse(text).kind);
      for (const text of [`{"messages":[${texts.join(',')}]}`, `[${texts.join(' , ')}]`]) {
        const result = parseBatch(Buffer.from(text), NOW_MS);
        if (result.kind !== 'ok') throw new Error(JSON.stringify(result.issues));
        expect(result.value.map(({ message: { kind } }) => kind)).toEqual(alone);
        expect(result.value.map(({ bytes }) => bytes.toString())).toEqual(texts);
      }
    }
    const [kind] = [126, 200].map((levels) => parse(deep(levels)).kind);
    expect(kind).toBe('ok');
  });

  it.each([
    [`[${'['.repeat(200)}`, ['body']],
    [`[{"payload":${'['.repeat(200)}"`, ['body']],
    [`[{"payload":${'['.repeat(200)}${']'.repeat(200)}},]`, ['body']],
    ['{}', ['body']],
    ['{"messages":{}}', ['body', 'messages']],
    ['[]', ['body', 'messages']],
    ['[1,]', ['body']],
    ['[]]', ['body']],
    [JSON.stringify(Array(BATCH_LIMIT + 1).fill(message)), ['body', 'messages']],
    ['', ['body']],
  ])('refuses the whole of %.20s', (text, loc) => {
    const result = parseBatch(Buffer.from(text), NOW_MS);
    expect(result.kind === 'invalid' && result.issues[0]!.loc).toEqual(loc);
  });
});
