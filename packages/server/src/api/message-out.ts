import { isUtf8 } from 'node:buffer';
import { priorities, priorityNames } from '../domain/delivery.ts';
import { formatDate } from './dates.ts';
import type { MessageRecord } from './records.ts';

const EMPTY = Buffer.from('{}');
const EXPIRED = Buffer.from('{"expired":true}');

const OPEN_BRACE = 0x7b;
const WHITESPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

const isJsonObject = (bytes: Buffer): boolean => {
  let start = 0;
  while (start < bytes.length && WHITESPACE.has(bytes[start]!)) start++;
  if (bytes[start] !== OPEN_BRACE || !isUtf8(bytes)) return false;
  try {
    JSON.parse(bytes.toString('utf8'));
    return true;
  } catch {
    return false;
  }
};

/** What is no JSON object cannot stand where the API has one: it is shown inside one, with its type. */
const wrapped = (bytes: Buffer, contentType: string): Buffer =>
  Buffer.from(
    JSON.stringify(
      isUtf8(bytes)
        ? { rawPayload: bytes.toString('utf8'), contentType }
        : { rawPayloadBase64: bytes.toString('base64'), contentType },
    ),
  );

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const payloadOut = (message: MessageRecord): Buffer => {
  switch (message.payload.kind) {
    case 'omitted':
      return EMPTY;
    case 'gone':
      return EXPIRED;
    case 'bytes': {
      const bytes = asBuffer(message.payload.bytes);
      return isJsonObject(bytes) ? bytes : wrapped(bytes, message.contentType);
    }
    default:
      return message.payload satisfies never;
  }
};

const jsonOf = (value: unknown): string => (value === null ? 'null' : JSON.stringify(value));

const dateOf = (name: string, atMs: number | null): string =>
  atMs === null ? '' : `,"${name}":"${formatDate(atMs)}"`;

const aroundPayload = (
  message: Omit<MessageRecord, 'payload'>,
  extra: Readonly<Record<string, unknown>>,
): { head: string; rest: string } => {
  const { channels, tags, eventId, replaces } = message;
  const more = JSON.stringify(extra);
  // Put together by hand: this is every answer of the hot path. Ids and dates need no escaping.
  return {
    head: `{"eventId":${jsonOf(eventId)},"eventType":${JSON.stringify(message.eventType)},"payload":`,
    rest:
      `,"channels":${jsonOf(channels)},"id":"${message.id}","timestamp":"${formatDate(message.createdAtMs)}"` +
      `,"tags":${jsonOf(tags)}` +
      dateOf('occurredAt', message.occurredAtMs) +
      dateOf('deliverAt', message.deliverAtMs) +
      dateOf('expiresAt', message.expiresAtMs) +
      (message.priority === priorities.normal ? '' : `,"priority":"${priorityNames[message.priority]}"`) +
      (message.orderingKey === null ? '' : `,"orderingKey":${JSON.stringify(message.orderingKey)}`) +
      (typeof replaces === 'string' ? `,"replaces":"${replaces}"` : '') +
      (more === '{}' ? '}' : `,${more.slice(1)}`),
  };
};

/**
 * A message as the API shows it. A payload that is a JSON object is spliced in as the bytes that
 * were posted: order, duplicates and spelling survive.
 *
 * @param extra Further fields, after the message's own.
 */
export const messageOut = (message: MessageRecord, extra: Readonly<Record<string, unknown>> = {}): Buffer => {
  const { head, rest } = aroundPayload(message, extra);
  return Buffer.concat([Buffer.from(head), payloadOut(message), Buffer.from(rest)]);
};

/** A message as the API shows it without content, as text: the answer of the hot path. */
export const messageOutEmpty = (message: Omit<MessageRecord, 'payload'>): string => {
  const { head, rest } = aroundPayload(message, {});
  return `${head}{}${rest}`;
};

/** An object of JSON values and values that are JSON bytes already. */
export const spliced = (
  fields: Readonly<Record<string, unknown>>,
  name: string,
  bytes: Uint8Array,
): Buffer => {
  const text = JSON.stringify(fields);
  const comma = text === '{}' ? '' : ',';
  return Buffer.concat([
    Buffer.from(`${text.slice(0, -1)}${comma}${JSON.stringify(name)}:`),
    bytes,
    Buffer.from('}'),
  ]);
};

/** A JSON array of rendered items. */
export const renderedList = (items: readonly Uint8Array[]): Buffer =>
  Buffer.concat([
    Buffer.from('['),
    ...items.flatMap((item, index) => (index === 0 ? [item] : [Buffer.from(','), item])),
    Buffer.from(']'),
  ]);
