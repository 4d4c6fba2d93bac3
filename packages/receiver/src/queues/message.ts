import { decodeBase64, encodeBase64 } from '../bytes.ts';
import type { ReceivedEvent } from '../contract.ts';
import { eventOf, headOf } from '../inbox/event-head.ts';

/** A message as a broker hands it over. */
export type Delivered = {
  readonly body: Uint8Array;
  /** The broker's id, the same each time it hands the message over. */
  readonly id: string | null;
  /** The how-manieth time it is, from 1. */
  readonly attempt: number;
  /** Queue, topic or subscription. */
  readonly from: string;
  readonly headers?: Readonly<Record<string, string>>;
};

type Unpacked = { readonly event: ReceivedEvent; readonly key: string | null };

/** A verified event as text for any queue: JSON, the body in base64. */
export const pack = (event: ReceivedEvent, key: string | null): string =>
  JSON.stringify({ posthorn: 1, key, head: headOf(event), body: encodeBase64(event.body) });

/**
 * The event of a message: what {@link pack} wrote, or else the message itself as an event of the queue,
 * with the broker's id. Never throws: a message that nobody can read is the handler's to refuse.
 */
export const unpack = (message: Delivered, nowMs: number): Unpacked => {
  const { body, id, from, headers = {} } = message;
  const brokerKey = id === null ? null : `${from}:${id}`;
  const packed = packedOf(body);
  if (packed) return { ...packed, key: packed.key ?? brokerKey };
  const head = { id, source: from, receivedAtMs: nowMs, contentType: headers['content-type'] ?? '', headers };
  return { key: brokerKey, event: eventOf(JSON.stringify(head), body) };
};

const packedOf = (body: Uint8Array): Unpacked | null => {
  try {
    const value = JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown> | null;
    if (value?.['posthorn'] !== 1 || typeof value['head'] !== 'string') return null;
    const { key, head, body: text } = value;
    const bytes = text === '' ? new Uint8Array() : typeof text === 'string' ? decodeBase64(text) : null;
    return bytes && { event: eventOf(head, bytes), key: typeof key === 'string' ? key : null };
  } catch {
    return null;
  }
};
