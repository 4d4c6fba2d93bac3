import { describe, expect, it } from 'vitest';
import { Framer } from './framing.ts';
import { buildRequest, readSequence, samplePayload, sequencePrefix, stamp } from './requests.ts';

const plan = { port: 8071, application: 'app_1', token: 'jwt', batch: 1, keys: false };

function bodyOf(bytes: Buffer): string {
  const bodies: string[] = [];
  const framer = new Framer((buffer, _start, bodyStart, end) => {
    bodies.push(buffer.toString('utf8', bodyStart, end));
  });
  framer.push(bytes, bytes.length);
  expect(bodies).toHaveLength(1);
  return bodies[0] ?? '';
}

describe('samplePayload', () => {
  it('is about 1 KB, canonical, and begins with the sequence', () => {
    const payload = samplePayload();
    const bytes = Buffer.byteLength(payload);
    expect(bytes).toBeGreaterThan(950);
    expect(bytes).toBeLessThan(1100);
    expect(payload.startsWith(sequencePrefix)).toBe(true);
    expect(JSON.stringify(JSON.parse(payload))).toBe(payload);
  });
});

describe('buildRequest and stamp', () => {
  it('makes one message that carries its sequence', () => {
    const template = buildRequest(plan);
    stamp(template, template.bytes, 1234567890, 7);
    const body = JSON.parse(bodyOf(template.bytes));
    expect(body).toMatchObject({ eventType: 'invoice.paid', payload: { seq: '1234567890' } });
    expect(body).not.toHaveProperty('eventId');
    expect(template.bytes.indexOf('/api/v1/app/app_1/msg?with_content=false HTTP/1.1')).toBe(5);
  });

  it('numbers the messages of a batch', () => {
    const template = buildRequest({ ...plan, batch: 100 });
    stamp(template, template.bytes, 999_950, 7);
    const { messages } = JSON.parse(bodyOf(template.bytes));
    expect(messages).toHaveLength(100);
    expect(messages.map((message: { payload: { seq: string } }) => message.payload.seq)).toEqual(
      Array.from({ length: 100 }, (_, index) => String(999_950 + index).padStart(10, '0')),
    );
    expect(template.bytes.indexOf('/api/v1/app/app_1/msg/batch?with_content=false HTTP/1.1')).toBe(5);
  });

  it('gives each message its own eventId and each request its own key', () => {
    const template = buildRequest({ ...plan, batch: 2, keys: true });
    const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/;
    const keys: string[] = [];
    for (let first = 0; first < 2000; first += 2) {
      stamp(template, template.bytes, first, 0x1234);
      const text = template.bytes.toString('latin1', 0, template.bytes.length);
      keys.push(/idempotency-key: auto_(\S+)\r\n/.exec(text)?.[1] ?? '');
      const { messages } = JSON.parse(bodyOf(template.bytes));
      keys.push(...messages.map((message: { eventId: string }) => message.eventId));
    }
    expect(keys.filter((key) => !uuid.test(key))).toEqual([]);
    expect(new Set(keys).size).toBe(3000);
  });
});

describe('readSequence', () => {
  it('reads what stamp wrote and refuses anything else', () => {
    const template = buildRequest(plan);
    const at = template.sequenceAt[0] ?? -1;
    for (const sequence of [0, 7, 1234567890, 9_999_999_999]) {
      stamp(template, template.bytes, sequence, 0);
      expect(readSequence(template.bytes, at)).toBe(sequence);
    }
    expect(readSequence(Buffer.from('12345x7890'), 0)).toBe(-1);
    expect(readSequence(Buffer.from('123'), 0)).toBe(-1);
  });
});
