/** What a pre-built request needs to know; only sequence and keys change between sends. */
export interface RequestPlan {
  readonly port: number;
  readonly application: string;
  readonly token: string;
  /** 1 posts to `/msg`; more posts that many to `/msg/batch`. */
  readonly batch: number;
  /** Adds an eventId and an idempotency-key to each message, as the official SDKs can. */
  readonly keys: boolean;
}

/** Request bytes with the places where `stamp` writes. */
export interface RequestTemplate {
  readonly bytes: Buffer;
  readonly sequenceAt: readonly number[];
  readonly eventIdAt: readonly number[];
  readonly idempotencyKeyAt: number | undefined;
}

/** A payload starts with this; the digits of its sequence number follow. */
export const sequencePrefix = '{"seq":"';
const sequenceDigits = 10;
const blankSequence = '0'.repeat(sequenceDigits);
const blankKey = '00000000-0000-4000-8000-000000000000';

/** About 1 KB of the JSON that businesses send: nested, mixed types, no repetition of one byte. */
export function samplePayload(): string {
  const lines = [
    ['sku_9f31c2', 'Annual plan, 25 seats', 2, 129900],
    ['sku_1b77e0', 'Priority support', 1, 49900],
    ['sku_c04d5a', 'Data retention, 2 years', 12, 2550],
    ['sku_77aa10', 'Onboarding workshop (remote)', 1, 85000],
  ].map(([sku, description, quantity, unitAmount]) => ({ sku, description, quantity, unitAmount }));
  return JSON.stringify({
    seq: blankSequence,
    id: 'in_1QK2vT2eZvKYlo2C0d4fXw9a',
    object: 'invoice',
    status: 'paid',
    livemode: true,
    currency: 'eur',
    amountDue: 375300,
    amountPaid: 375300,
    taxRate: 0.19,
    createdAt: '2026-05-04T09:12:44.512Z',
    dueAt: null,
    customer: {
      id: 'cus_NffrFeUfNV2Hib',
      name: 'Köhler & Söhne GmbH',
      email: 'rechnung@koehler.example',
      address: { line1: 'Lange Straße 17', city: 'Münster', postalCode: '48143', country: 'DE' },
    },
    lines,
    hostedUrl: 'https://billing.example/i/acct_1032D82eZvKYlo2C/in_1QK2vT2eZvKYlo2C0d4fXw9a',
    metadata: {
      orderId: '6735',
      channel: 'web',
      campaign: 'spring-2026',
      sales: 'm.weiß',
      note: 'Paid by SEPA "Lastschrift"\nref 2026/05',
    },
  });
}

/** Builds one request; `sequenceAt` has one place per message. */
export function buildRequest(plan: RequestPlan): RequestTemplate {
  const eventId = plan.keys ? `"eventId":"${blankKey}",` : '';
  const message = `{"eventType":"invoice.paid",${eventId}"payload":${samplePayload()}}`;
  const body = Buffer.from(
    plan.batch === 1
      ? message
      : `{"messages":[${Array.from({ length: plan.batch }, () => message).join(',')}]}`,
  );
  // The official SDKs ask not to get the payload back.
  const route = `${plan.batch === 1 ? 'msg' : 'msg/batch'}?with_content=false`;
  const head = Buffer.from(
    [
      `POST /api/v1/app/${plan.application}/${route} HTTP/1.1`,
      `host: 127.0.0.1:${plan.port}`,
      'user-agent: posthorn-bench/1',
      'accept: application/json',
      'content-type: application/json',
      `authorization: Bearer ${plan.token}`,
      ...(plan.keys ? [`idempotency-key: auto_${blankKey}`] : []),
      `content-length: ${body.length}`,
      '\r\n',
    ].join('\r\n'),
  );
  const bytes = Buffer.concat([head, body]);
  const keyAt = bytes.indexOf(`auto_${blankKey}`);
  return {
    bytes,
    sequenceAt: places(bytes, sequencePrefix),
    eventIdAt: places(bytes, '"eventId":"'),
    idempotencyKeyAt: keyAt < 0 ? undefined : keyAt + 'auto_'.length,
  };
}

/** Writes the sequence numbers from `first` on, and keys made from them and `salt`. */
export function stamp(template: RequestTemplate, bytes: Buffer, first: number, salt: number): void {
  for (const [index, at] of template.sequenceAt.entries()) writeSequence(bytes, at, first + index);
  for (const [index, at] of template.eventIdAt.entries()) writeKey(bytes, at, first + index, salt);
  if (template.idempotencyKeyAt !== undefined) {
    writeKey(bytes, template.idempotencyKeyAt, first, salt ^ 0x5bd1e995);
  }
}

function places(bytes: Buffer, prefix: string): number[] {
  const found: number[] = [];
  for (let at = bytes.indexOf(prefix); at >= 0; at = bytes.indexOf(prefix, at + 1)) {
    found.push(at + prefix.length);
  }
  return found;
}

function writeSequence(bytes: Buffer, at: number, sequence: number): void {
  let rest = sequence;
  for (let index = at + sequenceDigits - 1; index >= at; index--) {
    const next = Math.floor(rest / 10);
    bytes[index] = 48 + (rest - next * 10);
    rest = next;
  }
}

/** Reads the sequence number at `at`; -1 where there are no ten digits. */
export function readSequence(bytes: Buffer, at: number): number {
  let value = 0;
  for (let index = at; index < at + sequenceDigits; index++) {
    const digit = (bytes[index] ?? 0) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/**
 * Writes a UUID-shaped key. The first eight digits are a bijection of the
 * sequence, so keys never repeat within a salt, and scatter over an index as
 * random ones do.
 */
function writeKey(bytes: Buffer, at: number, sequence: number, salt: number): void {
  const a = mix(sequence);
  const b = mix(a ^ salt);
  const c = mix(b + salt);
  const d = mix(c ^ a);
  writeHex(bytes, at, a >>> 0, 8);
  writeHex(bytes, at + 9, b >>> 16, 4);
  writeHex(bytes, at + 15, b & 0xfff, 3);
  writeHex(bytes, at + 20, c >>> 20, 3);
  writeHex(bytes, at + 24, c & 0xffff, 4);
  writeHex(bytes, at + 28, d >>> 0, 8);
}

function writeHex(bytes: Buffer, at: number, value: number, digits: number): void {
  let rest = value;
  for (let index = at + digits - 1; index >= at; index--) {
    const digit = rest & 15;
    bytes[index] = digit < 10 ? 48 + digit : 87 + digit;
    rest >>>= 4;
  }
}

/** Bijective 32-bit finaliser (MurmurHash3, public domain). */
function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
