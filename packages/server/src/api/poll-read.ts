import { idFloor } from '../domain/ids.ts';
import { PAGE_BYTES } from '../domain/message.ts';
import { subscribes } from '../ingest/match.ts';
import { hasSeen, MOST_SEEN, positionAfter } from './poll-position.ts';
import type { PollPosition } from './poll-position.ts';
import type { ApiDeps, AppPath } from './port.ts';
import type { EndpointRecord, MessageRecord } from './records.ts';

/** An id older than this before the oldest writer began is committed or never will be. */
const SETTLED_AFTER_MS = 60_000;
const PAGE = 250;
/** Messages that one request looks at, at most. */
const LOOKED_AT = 10_000;
const NEWEST = 'msg_~';

export type PollWish = {
  readonly position: PollPosition;
  /** 1 to 250. */
  readonly limit: number;
  readonly eventType: string | null;
  readonly channel: string | null;
};

export type PollFound = {
  /** With content, oldest first. */
  readonly messages: readonly MessageRecord[];
  /** Where to go on once these are done. */
  readonly next: PollPosition;
  /** There is nothing more now. */
  readonly done: boolean;
};

/**
 * Messages of an application through the eyes of an endpoint, disabled or not: what it subscribes to
 * and the position has not passed.
 */
export const readPoll = async (
  deps: ApiDeps,
  path: AppPath,
  endpoint: EndpointRecord,
  { position, limit, eventType, channel }: PollWish,
): Promise<PollFound> => {
  const { messages, pollers } = deps.store;
  // Asked before reading: what commits in between is above it.
  const settled = idFloor('message', (await pollers.oldestWriterMs()) - SETTLED_AFTER_MS);
  const eventTypes =
    eventType === null
      ? endpoint.eventTypes
      : endpoint.eventTypes === null || endpoint.eventTypes.includes(eventType)
        ? [eventType]
        : [];
  const filter = { eventTypes, channel, tag: null };
  const eyes = { disabled: false, eventTypes, channels: endpoint.channels };
  const fresh: string[] = [];
  const passed: string[] = [];
  let bytes = 0;
  let remembered = position.seen.size;
  let from = position.mark;
  let end: 'more' | 'limit' | 'memory' | 'all' = 'more';
  for (let looked = 0; end === 'more' && looked < LOOKED_AT; looked += PAGE) {
    const window = { low: from, high: NEWEST, oldestFirst: true };
    const { rows, stoppedAt } = await messages.list(path, window, filter, PAGE, false);
    for (const message of rows.slice(0, PAGE)) {
      const { id } = message;
      if (subscribes(eyes, message)) {
        if (hasSeen(position, id)) {
          if (id <= settled) remembered--;
        } else {
          const size = message.payload.kind === 'omitted' ? message.payload.bytes : 0;
          if (fresh.length === limit || (bytes > 0 && bytes + size > PAGE_BYTES)) end = 'limit';
          else if (id > settled && remembered >= MOST_SEEN) end = 'memory';
          if (end !== 'more') break;
          fresh.push(id);
          bytes += size;
          if (id > settled) remembered++;
        }
        passed.push(id);
      }
      from = id;
    }
    if (end !== 'more') break;
    if (stoppedAt !== null) {
      // The filter's own bound.
      from = stoppedAt;
      break;
    }
    if (rows.length <= PAGE) end = 'all';
  }
  const { known } = await messages.byIds(path, fresh, true);
  return {
    messages: fresh.flatMap((id) => known.get(id) ?? []),
    next: positionAfter(position, passed, end === 'all' ? null : from, settled),
    done: end === 'all' || end === 'memory',
  };
};
