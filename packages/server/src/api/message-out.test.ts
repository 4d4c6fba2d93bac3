import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { messageOut, renderedList, spliced } from './message-out.ts';
import type { MessageRecord } from './records.ts';

const message = (payload: MessageRecord['payload'], contentType = 'application/json'): MessageRecord => ({
  id: 'msg_1',
  eventType: 'a.b',
  eventId: null,
  channels: null,
  tags: ['t'],
  contentType,
  payload,
  occurredAtMs: 0,
  deliverAtMs: null,
  expiresAtMs: null,
  priority: 1,
  orderingKey: null,
  createdAtMs: 1000,
});

describe('messageOut', () => {
  it('carries any JSON object as its bytes', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 1, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const out = messageOut(message({ kind: 'bytes', bytes: Buffer.from(text) })).toString();
        expect(out).toContain(`"payload":${text},"channels"`);
        expect(JSON.parse(out)).toMatchObject({
          id: 'msg_1',
          tags: ['t'],
          occurredAt: '1970-01-01T00:00:00.000Z',
        });
      }),
    );
  });

  it('is valid JSON whatever bytes the payload has', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const out = messageOut(message({ kind: 'bytes', bytes }, 'x/y'), { status: 1 });
        const shown = JSON.parse(out.toString()) as { payload: Record<string, string>; status: number };
        expect([typeof shown.payload, shown.status]).toEqual(['object', 1]);
        const { rawPayload, rawPayloadBase64 } = shown.payload;
        if (rawPayload !== undefined) expect(Buffer.from(rawPayload)).toEqual(Buffer.from(bytes));
        else if (rawPayloadBase64 !== undefined)
          expect(Buffer.from(rawPayloadBase64, 'base64')).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it('tells left out from gone', () => {
    expect(messageOut(message({ kind: 'omitted', bytes: 2 })).toString()).toContain('"payload":{},');
    expect(messageOut(message({ kind: 'gone' })).toString()).toContain('"payload":{"expired":true},');
  });

  it('splices lists into objects', () => {
    const list = renderedList([Buffer.from('{"a":1}'), Buffer.from('{"b":1.0}')]);
    expect(spliced({ done: true }, 'data', list).toString()).toBe('{"done":true,"data":[{"a":1},{"b":1.0}]}');
    expect(spliced({}, 'data', renderedList([])).toString()).toBe('{"data":[]}');
  });
});
