import { isUtf8 } from 'node:buffer';
import type { Priority } from '../domain/delivery.ts';
import {
  channels,
  contentType,
  eventId,
  eventType,
  integer,
  issue,
  moment,
  priority,
  orderingKey,
  tags,
  type Check,
  type Issue,
} from './fields.ts';
import { scanArray, scanList, scanObject, withoutDepths, type Member } from './scan.ts';
import { readSchedule } from './schedule.ts';

/** A message as asked for, before it has an id. The payload is the bytes to sign and send. */
export type MessageRequest = {
  readonly eventType: string;
  readonly eventId: string | null;
  readonly channels: readonly string[] | null;
  readonly tags: readonly string[] | null;
  readonly payload: Buffer;
  readonly contentType: string;
  readonly payloadRetentionHours: number;
  readonly occurredAtMs: number | null;
  readonly deliverAtMs: number | null;
  readonly expiresAtMs: number | null;
  /** null: that of the event type. */
  readonly priority: Priority | null;
  readonly orderingKey: string | null;
  /** The application to create when the path's does not exist, as posted; null when not asked for. */
  readonly application: unknown;
};

export type Parsed<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'invalid'; readonly issues: readonly Issue[] };

const MAX_RETENTION_DAYS = 90;
export const DEFAULT_RETENTION_HOURS = MAX_RETENTION_DAYS * 24;
/** Messages in one batch request. */
export const BATCH_LIMIT = 500;

const JSON_TYPE = 'application/json';
const decodeIssue = (loc: readonly string[], msg: string): Issue => issue(loc, msg, 'value_error.jsondecode');

const known = new Set([
  'eventType',
  'payload',
  'data',
  'eventId',
  'channels',
  'tags',
  'payloadRetentionPeriod',
  'payloadRetentionHours',
  'occurredAt',
  'deliverAt',
  'expiresAt',
  'priority',
  'orderingKey',
  'application',
  'transformationsParams',
]);

/** The members of the object that the text is, or why it is none. */
const scannedMembers = (bytes: Buffer, loc: readonly string[]): Parsed<readonly Member[]> => {
  const fail = (msg: string): Parsed<never> => ({ kind: 'invalid', issues: [decodeIssue(loc, msg)] });
  if (!isUtf8(bytes)) return fail('the body is not valid UTF-8');
  const scanned = scanObject(bytes);
  switch (scanned.kind) {
    case 'empty':
      return fail('the body is empty; expected a JSON object');
    case 'not_object':
      return fail('expected a JSON object');
    case 'too_deep':
      return fail(`nested deeper than ${scanned.limit} levels`);
    case 'invalid':
      return fail(`not valid JSON at byte ${scanned.offset}`);
    case 'object':
      return { kind: 'ok', value: scanned.members };
    default:
      return scanned satisfies never;
  }
};

/** The members that matter. A known field given twice is refused. */
const knownMembers = (
  scanned: readonly Member[],
  loc: readonly string[],
  isStrict: boolean,
): Parsed<ReadonlyMap<string, Member>> => {
  const members = new Map<string, Member>();
  for (const member of scanned) {
    if (!known.has(member.key)) {
      if (!isStrict) continue;
      const msg = `unknown field \`${member.key.slice(0, 100)}\``;
      return { kind: 'invalid', issues: [issue([...loc, member.key], msg)] };
    }
    if (members.has(member.key))
      return { kind: 'invalid', issues: [decodeIssue([...loc, member.key], 'given twice')] };
    members.set(member.key, member);
  }
  return { kind: 'ok', value: members };
};

type Raw = { readonly payload: Buffer | null; readonly contentType: string };

/** `transformationsParams`: the SDKs' `messageInRaw`, and our own fields, which the SDKs pass on unseen. */
const readParams = (
  value: unknown,
  loc: readonly string[],
  issues: Issue[],
): Raw & { own: Record<string, unknown> } => {
  const none = { payload: null, contentType: JSON_TYPE, own: {} };
  if (value === null || value === undefined) return none;
  if (typeof value !== 'object' || Array.isArray(value)) {
    issues.push(decodeIssue(loc, 'expected an object'));
    return none;
  }
  const params = value as Record<string, unknown>;
  const own =
    typeof params['posthorn'] === 'object' && params['posthorn'] !== null
      ? (params['posthorn'] as Record<string, unknown>)
      : {};
  const headers = params['headers'];
  const givenType =
    typeof headers === 'object' && headers !== null
      ? Object.entries(headers).find(([name]) => name.toLowerCase() === 'content-type')?.[1]
      : undefined;
  const type =
    givenType === undefined ? JSON_TYPE : contentType(givenType, [...loc, 'headers', 'content-type'], issues);
  const raw = params['rawPayload'];
  const base64 = own['rawPayloadBase64'];
  let payload: Buffer | null = null;
  if (typeof raw === 'string') {
    // A lone surrogate has no UTF-8 form: the bytes sent would not be the text posted.
    if (raw.isWellFormed()) payload = Buffer.from(raw);
    else
      issues.push(
        issue(
          [...loc, 'rawPayload'],
          'holds a lone surrogate, which has no UTF-8 form; send bytes as posthorn.rawPayloadBase64',
        ),
      );
  } else if (raw !== undefined && raw !== null) {
    issues.push(decodeIssue([...loc, 'rawPayload'], 'expected a string'));
  } else if (typeof base64 === 'string') {
    payload = Buffer.from(base64, 'base64');
    if (payload.toString('base64') !== base64) {
      issues.push(issue([...loc, 'posthorn', 'rawPayloadBase64'], 'is not canonical base64'));
    }
  } else if (base64 !== undefined && base64 !== null) {
    issues.push(decodeIssue([...loc, 'posthorn', 'rawPayloadBase64'], 'expected a string'));
  }
  return { payload, contentType: type ?? JSON_TYPE, own };
};

const optional = <T>(check: Check<T>, value: unknown, loc: readonly string[], issues: Issue[]): T | null =>
  value === undefined || value === null ? null : (check(value, loc, issues) ?? null);

/** Days or hours, not both. */
const readRetention = (days: unknown, hours: unknown, loc: readonly string[], issues: Issue[]): number => {
  const hoursLoc = [...loc, 'payloadRetentionHours'];
  const inDays = optional(integer(1, MAX_RETENTION_DAYS), days, [...loc, 'payloadRetentionPeriod'], issues);
  const inHours = optional(integer(1, DEFAULT_RETENTION_HOURS), hours, hoursLoc, issues);
  if (inDays !== null && inHours !== null) {
    issues.push(issue(hoursLoc, 'give payloadRetentionPeriod (days) or payloadRetentionHours, not both'));
  }
  return inHours ?? (inDays === null ? DEFAULT_RETENTION_HOURS : inDays * 24);
};

/**
 * Reads a message out of a request's bytes.
 *
 * @param bytes The JSON text of one message; the payload's bytes stay a view of it.
 * @param loc Where the message lies in the request, for error locations (`["body"]`).
 * @param nowMs Unix milliseconds: what is scheduled has to lie ahead.
 * @param isStrict Refuses unknown fields; they are ignored otherwise, as the Svix API does.
 */
export const parseMessage = (
  bytes: Buffer,
  loc: readonly string[],
  nowMs: number,
  isStrict = false,
): Parsed<MessageRequest> => {
  const scanned = scannedMembers(bytes, loc);
  return scanned.kind === 'invalid' ? scanned : readMessage(bytes, scanned.value, loc, nowMs, isStrict);
};

const readMessage = (
  bytes: Buffer,
  scanned: readonly Member[],
  loc: readonly string[],
  nowMs: number,
  isStrict: boolean,
): Parsed<MessageRequest> => {
  const found = knownMembers(scanned, loc, isStrict);
  if (found.kind === 'invalid') return found;
  const members = found.value;
  const issues: Issue[] = [];
  const valueOf = (key: string): unknown => {
    const member = members.get(key);
    return member === undefined
      ? undefined
      : (JSON.parse(bytes.toString('utf8', member.start, member.end)) as unknown);
  };
  const params = readParams(valueOf('transformationsParams'), [...loc, 'transformationsParams'], issues);
  const own = (key: string): unknown => valueOf(key) ?? params.own[key];

  const typeValue = valueOf('eventType');
  const type =
    typeValue === undefined
      ? void issues.push(decodeIssue([...loc, 'eventType'], 'missing field `eventType`'))
      : eventType(typeValue, [...loc, 'eventType'], issues);

  const payloadMember = members.get('payload') ?? members.get('data');
  if (payloadMember === undefined) {
    issues.push(decodeIssue([...loc, 'payload'], 'missing field `payload`'));
  } else if (bytes[payloadMember.start] !== 0x7b) {
    issues.push(decodeIssue([...loc, 'payload'], 'expected a JSON object'));
  }

  const result = {
    eventId: optional(eventId, valueOf('eventId'), [...loc, 'eventId'], issues),
    channels: optional(channels, valueOf('channels'), [...loc, 'channels'], issues),
    tags: optional(tags, valueOf('tags'), [...loc, 'tags'], issues),
    payloadRetentionHours: readRetention(
      valueOf('payloadRetentionPeriod'),
      valueOf('payloadRetentionHours'),
      loc,
      issues,
    ),
    occurredAtMs: optional(moment, own('occurredAt'), [...loc, 'occurredAt'], issues),
    priority: optional(priority, own('priority'), [...loc, 'priority'], issues),
    ...readSchedule(own('deliverAt'), own('expiresAt'), loc, nowMs, issues),
    orderingKey: optional(orderingKey, own('orderingKey'), [...loc, 'orderingKey'], issues),
  };
  if (issues.length > 0 || type === undefined || payloadMember === undefined)
    return { kind: 'invalid', issues };
  return {
    kind: 'ok',
    value: {
      ...result,
      eventType: type,
      payload: params.payload ?? bytes.subarray(payloadMember.start, payloadMember.end),
      contentType: params.contentType,
      application: valueOf('application') ?? null,
    },
  };
};

/** One message of a batch, with its text. */
export type BatchItem = { readonly bytes: Buffer; readonly message: Parsed<MessageRequest> };

/**
 * Reads a batch, `{"messages": [...]}` or a bare list: one result per message, so that one bad
 * item does not cost the others. The whole is refused only when it is no such list. Unknown fields are refused.
 */
export const parseBatch = (body: Buffer, nowMs: number): Parsed<readonly BatchItem[]> => {
  const fail = (msg: string, loc: readonly string[] = ['body']): Parsed<never> => ({
    kind: 'invalid',
    issues: [decodeIssue(loc, msg)],
  });
  if (!isUtf8(body)) return fail('the body is not valid UTF-8');
  const list = scanList(body, 'messages');
  if (list !== null && list.length <= BATCH_LIMIT) {
    const value = list.map(({ start, end, members }, index) => {
      const bytes = body.subarray(start, end);
      return { bytes, message: readMessage(bytes, members, locOf(index), nowMs, true) };
    });
    return { kind: 'ok', value };
  }
  return parseOddBatch(body, nowMs, fail);
};

const locOf = (index: number): readonly string[] => ['body', 'messages', `[${index}]`];

/** A batch of which something is not as it should be: says what. */
const parseOddBatch = (
  body: Buffer,
  nowMs: number,
  fail: (msg: string, loc?: readonly string[]) => Parsed<never>,
): Parsed<readonly BatchItem[]> => {
  // A bare list is scanned as the one member of an object, which checks its whole grammar.
  const bare = firstByte(body) === 0x5b;
  const text = bare ? Buffer.concat([Buffer.from('{"messages":'), body, Buffer.from('}')]) : body;
  // A message that is too deep by itself costs itself only: the rest is found without it.
  const whole = scanObject(text);
  const spans = whole.kind === 'too_deep' ? withoutDepths(text) : text;
  const scanned = whole.kind === 'too_deep' ? scanObject(spans) : whole;
  if (scanned.kind === 'invalid') return fail(`not valid JSON at byte ${scanned.offset - (bare ? 12 : 0)}`);
  if (scanned.kind === 'too_deep') return fail(`nested deeper than ${scanned.limit} levels`);
  if (scanned.kind !== 'object') return fail('expected {"messages": [...]}');
  const lists = scanned.members.filter((member) => member.key === 'messages');
  const other = scanned.members.find((member) => member.key !== 'messages');
  if (other !== undefined) {
    const msg = `unknown field \`${other.key.slice(0, 100)}\``;
    return { kind: 'invalid', issues: [issue(['body', other.key], msg)] };
  }
  const list = lists[0];
  if (list === undefined || lists.length > 1) return fail('expected one field `messages`');
  if (text[list.start] !== 0x5b) return fail('expected a list', ['body', 'messages']);
  const bytes = text.subarray(list.start, list.end);
  const elements = scanArray(spans.subarray(list.start, list.end));
  if (elements.length === 0 || elements.length > BATCH_LIMIT) {
    return fail(`must have 1 to ${BATCH_LIMIT} messages`, ['body', 'messages']);
  }
  return {
    kind: 'ok',
    value: elements.map(({ start, end }, index) => {
      const item = bytes.subarray(start, end);
      return { bytes: item, message: parseMessage(item, locOf(index), nowMs, true) };
    }),
  };
};

const firstByte = (bytes: Buffer): number | undefined => bytes.find((byte) => byte > 0x20);
