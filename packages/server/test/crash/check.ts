import type { Fault, History, StoredAttempt, WireRequest } from './history.ts';

export type Rule =
  /** An acknowledged message that is not stored. */
  | 'lost'
  /** An acknowledged message that an endpoint never answered with 2xx. */
  | 'undelivered'
  /** One event became two messages, or was answered with two ids. */
  | 'doubled'
  /** Stored although every answer said that nothing was written, or never posted at all. */
  | 'uninvited'
  /** A request for a message that is not stored. */
  | 'phantom'
  /** A signature that does not verify. */
  | 'unsigned'
  /** Bytes that are not the posted ones, stored or sent. */
  | 'altered'
  /** A further request where the one before succeeded or was still under way, and no fault explains it. */
  | 'duplicate'
  /** More requests on the wire than attempts in the database. */
  | 'uncovered'
  /** An attempt with an answer that no receiver gave. */
  | 'invented'
  /** An unknown attempt that no fault explains. */
  | 'unexplained'
  /** A delivery that is still open. */
  | 'open'
  /** A delivery without exactly one end, or with an attempt after its end. */
  | 'ends';

export type Violation = { readonly rule: Rule; readonly detail: string };

export type CheckOptions = {
  /** From a receiver's answer until it is settled, at most: so long before a fault an answer may be forgotten by it. */
  readonly settleLagMs: number;
  /** From the end of a fault until what it left behind is freed, at most. */
  readonly recoveryMs: number;
};

const isSuccess = (status: number | null): boolean => status !== null && status >= 200 && status < 300;

const nameOf = (of: { readonly messageId: string; readonly endpointId: string }): string =>
  `${of.messageId} to ${of.endpointId}`;

const groupBy = <Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> => {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
};

const checkAcceptance = ({ postings, database }: History): Violation[] => {
  const found: Violation[] = [];
  const stored = new Map(database.messages.map((message) => [message.id, message]));
  const byEvent = groupBy(database.messages, (message) => message.eventId ?? '');
  const posted = new Map(postings.map((posting) => [posting.eventId, posting]));
  for (const { eventId, messageIds, end, payloadSha256 } of postings) {
    const rows = byEvent.get(eventId) ?? [];
    if (rows.length > 1) found.push({ rule: 'doubled', detail: `${eventId} is ${rows.length} messages` });
    if (messageIds.length > 1) {
      found.push({ rule: 'doubled', detail: `${eventId} was answered with ${messageIds.join(' and ')}` });
    }
    if (end === 'refused' && rows.length > 0) {
      found.push({
        rule: 'uninvited',
        detail: `${eventId} was refused and is stored as ${rows[0]?.id ?? ''}`,
      });
    }
    if (end === 'acknowledged' && rows.length === 0) {
      found.push({
        rule: 'lost',
        detail: `${eventId} (${messageIds.join(', ')}) is acknowledged and not stored`,
      });
    }
    for (const id of messageIds) {
      if (stored.get(id)?.eventId !== eventId && rows.length > 0) {
        found.push({ rule: 'lost', detail: `${eventId} was answered as ${id}, which is not stored` });
      }
    }
    for (const row of rows) {
      if (row.payloadSha256 !== payloadSha256) {
        found.push({
          rule: 'altered',
          detail: `${row.id} (${eventId}) is stored with other bytes than posted`,
        });
      }
    }
  }
  for (const { id, eventId } of database.messages) {
    if (eventId === null || !posted.has(eventId)) {
      found.push({ rule: 'uninvited', detail: `${id} (${eventId ?? 'no event id'}) was never posted` });
    }
  }
  return found;
};

const checkWire = ({ postings, requests, database }: History): Violation[] => {
  const found: Violation[] = [];
  const payloads = new Map(postings.map((posting) => [posting.eventId, posting.payloadSha256]));
  const events = new Map(database.messages.map((message) => [message.id, message.eventId ?? '']));
  for (const request of requests) {
    if (!request.isSigned) found.push({ rule: 'unsigned', detail: nameOf(request) });
    const eventId = events.get(request.messageId);
    if (eventId === undefined) {
      found.push({ rule: 'phantom', detail: `${nameOf(request)}: the message is not stored` });
    } else if (payloads.get(eventId) !== request.bodySha256) {
      found.push({ rule: 'altered', detail: `${nameOf(request)}: other bytes than posted` });
    }
  }
  return found;
};

const times = ({ arrivedMs, endedMs, answered }: WireRequest): string =>
  `${arrivedMs.toFixed()}..${endedMs?.toFixed() ?? ''} (${answered ?? 'no answer'})`;

/**
 * Whether the fault can have kept the end of the first request from being known when the second began.
 * What a process sent before its end may be read by the receiver after it.
 */
const explains = (fault: Fault, first: WireRequest, second: WireRequest, settleLagMs: number): boolean =>
  (fault.sender === null ? first.arrivedMs <= fault.toMs : first.sender === fault.sender) &&
  (first.endedMs ?? Infinity) >= fault.fromMs - settleLagMs &&
  second.arrivedMs >= fault.fromMs;

const checkOrderOfRequests = (
  requests: readonly WireRequest[],
  faults: readonly Fault[],
  settleLagMs: number,
): Violation[] => {
  const sorted = [...requests].sort((a, b) => a.arrivedMs - b.arrivedMs);
  return sorted.slice(1).flatMap((second, index): Violation[] => {
    const first = sorted[index]!;
    const isOver = first.endedMs !== null && first.endedMs <= second.arrivedMs;
    if (isOver && first.answered !== null && !isSuccess(first.answered)) return [];
    if (faults.some((fault) => explains(fault, first, second, settleLagMs))) return [];
    return [
      {
        rule: 'duplicate',
        detail: `${nameOf(second)}: ${times(first)} and ${times(second)}, no fault explains it`,
      },
    ];
  });
};

const countByStatus = (statuses: readonly (number | null)[]): Map<number, number> => {
  const counts = new Map<number, number>();
  for (const status of statuses) if (status !== null) counts.set(status, (counts.get(status) ?? 0) + 1);
  return counts;
};

const checkCover = (
  name: string,
  requests: readonly WireRequest[],
  attempts: readonly StoredAttempt[],
): Violation[] => {
  const found: Violation[] = [];
  if (requests.length > attempts.length) {
    found.push({
      rule: 'uncovered',
      detail: `${name}: ${requests.length} requests, ${attempts.length} attempts`,
    });
  }
  const given = countByStatus(requests.map((request) => request.answered));
  for (const [status, count] of countByStatus(attempts.map((attempt) => attempt.responseStatus))) {
    const answers = given.get(status) ?? 0;
    if (status !== 0 && count > answers) {
      found.push({
        rule: 'invented',
        detail: `${name}: ${count} attempts say ${status}, ${answers} answers did`,
      });
    }
  }
  // An attempt that knows the answer covers one request with that answer; the rest must be covered by the others.
  const answeredOtherwise = [...given].reduce((sum, [status, count]) => {
    const rows = attempts.filter((attempt) => attempt.responseStatus === status).length;
    return sum + Math.max(0, count - rows);
  }, 0);
  const without = attempts.filter((attempt) => attempt.responseStatus === 0).length;
  if (requests.length <= attempts.length && answeredOtherwise > without) {
    found.push({
      rule: 'uncovered',
      detail: `${name}: ${answeredOtherwise} answers are in no attempt, ${without} are open`,
    });
  }
  return found;
};

const checkEnd = (
  name: string,
  attempts: readonly StoredAttempt[],
  closed: number,
  open: number,
): Violation[] => {
  // Not ended yet is another rule's business.
  if (open > 0) return [];
  const finals = attempts.filter((attempt) => attempt.final !== null);
  const dead = finals.filter((attempt) => attempt.final === 'dead').length;
  const succeeded = finals.length - dead;
  if (succeeded + closed !== 1 || dead > closed) {
    return [
      {
        rule: 'ends',
        detail: `${name}: ${succeeded} times succeeded, ${dead} times dead, ${closed} times closed`,
      },
    ];
  }
  const last = finals[0];
  const later = last === undefined ? [] : attempts.filter((attempt) => attempt.id > last.id);
  return later.length === 0
    ? []
    : [{ rule: 'ends', detail: `${name}: ${later.length} attempts after its end` }];
};

const checkUnknowns = (
  attempts: readonly StoredAttempt[],
  faults: readonly Fault[],
  recoveryMs: number,
): Violation[] =>
  attempts
    .filter((attempt) => attempt.cause === 'unknown')
    .filter(
      ({ endedMs }) => !faults.some(({ fromMs, toMs }) => endedMs >= fromMs && endedMs <= toMs + recoveryMs),
    )
    .map((attempt) => ({ rule: 'unexplained', detail: `${nameOf(attempt)}: unknown attempt ${attempt.id}` }));

/**
 * Everything that is wrong with a run; empty when it kept its promises.
 *
 * The promise: at least once for what was acknowledged, once but for faults that hit an attempt in
 * flight, and a history that knows of every request.
 */
export const check = (history: History, options: CheckOptions): Violation[] => {
  const { postings, requests, faults, endpointIds, database } = history;
  const found = [
    ...checkAcceptance(history),
    ...checkWire(history),
    ...checkUnknowns(database.attempts, faults, options.recoveryMs),
  ];
  for (const row of database.live) found.push({ rule: 'open', detail: `${nameOf(row)} is ${row.state}` });

  const onWire = groupBy(requests, nameOf);
  const attempts = groupBy(database.attempts, nameOf);
  const closed = groupBy(database.closed, nameOf);
  const live = groupBy(database.live, nameOf);
  const acknowledged = new Set(
    postings.filter((posting) => posting.end === 'acknowledged').map((posting) => posting.eventId),
  );
  for (const { id, eventId } of database.messages) {
    for (const endpointId of endpointIds) {
      const name = nameOf({ messageId: id, endpointId });
      const seen = onWire.get(name) ?? [];
      const tries = attempts.get(name) ?? [];
      const isDelivered = seen.some((request) => isSuccess(request.answered));
      if (!isDelivered && eventId !== null && acknowledged.has(eventId)) {
        found.push({
          rule: 'undelivered',
          detail: `${name} (${eventId}): ${seen.length} requests, none with 2xx`,
        });
      }
      found.push(
        ...checkOrderOfRequests(seen, faults, options.settleLagMs),
        ...checkCover(name, seen, tries),
        ...checkEnd(name, tries, closed.get(name)?.length ?? 0, live.get(name)?.length ?? 0),
      );
    }
  }
  return found;
};

/** The first few of each rule, as text for a failed test. */
export const describeViolations = (violations: readonly Violation[], perRule = 3): string =>
  [...groupBy(violations, (violation) => violation.rule)]
    .map(([rule, group]) => {
      const shown = group.slice(0, perRule).map(({ detail }) => `  ${detail}`);
      const more = group.length > perRule ? [`  and ${group.length - perRule} more`] : [];
      return [`${rule} (${group.length}):`, ...shown, ...more].join('\n');
    })
    .join('\n');
