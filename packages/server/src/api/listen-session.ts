import type { Clock } from '../clock.ts';
import type { HeaderPair } from '../domain/attempt.ts';
import type { EndpointConfig } from '../domain/configuration.ts';
import { idFloor } from '../domain/ids.ts';
import { subscribes } from '../ingest/match.ts';
import { nextMark, type Passed } from './listen-mark.ts';
import { MOST_SEEN, type ClientFrame, type ServerFrame } from './listen-protocol.ts';
import type { AppPath, MessageStore, Walked } from './port.ts';
import type { MessageRecord } from './records.ts';

export type ListenSessionDeps = {
  readonly clock: Clock;
  readonly messages: Pick<MessageStore, 'list' | 'find'>;
  /** The endpoint as it is now; null once it is deleted. */
  readonly endpoint: () => Promise<EndpointConfig | null>;
  /** The begin of the oldest transaction of ours that still writes, or now (Unix milliseconds, the database's). */
  readonly oldestWriterMs: () => Promise<number>;
  /** The headers that the endpoint would get with this message now. */
  readonly headersOf: (
    endpoint: EndpointConfig,
    message: { readonly id: string; readonly payload: Uint8Array; readonly contentType: string },
  ) => readonly HeaderPair[];
  readonly sleep: (ms: number) => Promise<void>;
  readonly report: (error: unknown) => void;
  readonly send: (frame: ServerFrame) => void;
  readonly end: (why: 'endpoint_gone' | 'bad_frame') => void;
};

export type ListenSession = {
  readonly take: (frame: ClientFrame) => void;
  /** The client is away. */
  readonly close: () => void;
};

/** Everything whose id is older than this before the oldest writer began is committed or never will be. */
const SETTLED_AFTER_MS = 60_000;
const WINDOW = 8;
const WINDOW_BYTES = 4 * 1024 * 1024;
const PAGE = 250;
const COUNT_UP_TO = 1_000;
const POLL_MS = 250;
/** How often everything above the mark is read again. */
const WHOLE_MS = 1_000;
const RETRY_MS = 1_000;
const NEWEST = 'msg_~';

const below = (timeMs: number): string => idFloor('message', timeMs).slice(0, -1);

/**
 * One client's reading of an application's messages through the eyes of one endpoint. It keeps nothing
 * on the server: the client brings the mark and what it has seen above it, so any node can go on with it.
 *
 * @param eventTypes Fewer than the endpoint subscribes to; null for all of them.
 */
export const createListenSession = (
  path: AppPath,
  eventTypes: readonly string[] | null,
  deps: ListenSessionDeps,
): ListenSession => {
  let mark = below(deps.clock.nowMs());
  let tail = mark;
  let resumedAtMs = 0;
  let state: 'new' | 'resumed' | 'running' | 'closed' = 'new';
  const done = new Set<string>();
  /** Sent and not confirmed: bytes by id. */
  const underWay = new Map<string, number>();
  let isWoken = false;
  let onWake: () => void = () => {};
  const wake = (): void => {
    isWoken = true;
    onWake();
  };

  const typesOf = (endpoint: EndpointConfig): readonly string[] | null => {
    if (eventTypes === null) return endpoint.eventTypes;
    return endpoint.eventTypes === null
      ? eventTypes
      : eventTypes.filter((type) => endpoint.eventTypes!.includes(type));
  };

  const read = (endpoint: EndpointConfig, low: string): Promise<Walked<MessageRecord>> => {
    const filter = { eventTypes: typesOf(endpoint), channel: null, tag: null };
    return deps.messages.list(path, { low, high: NEWEST, oldestFirst: true }, filter, PAGE, false);
  };

  /** Disabled or not, what it subscribes to is what counts: an endpoint made for listening is disabled. */
  const wants = (endpoint: EndpointConfig, message: MessageRecord): boolean =>
    subscribes({ ...endpoint, eventTypes: typesOf(endpoint), disabled: false }, message);

  const hasRoom = (): boolean =>
    underWay.size < WINDOW &&
    done.size + underWay.size < MOST_SEEN &&
    [...underWay.values()].reduce((sum, bytes) => sum + bytes, 0) < WINDOW_BYTES;

  const forward = async (endpoint: EndpointConfig, id: string): Promise<void> => {
    const message = await deps.messages.find(path, id, true);
    if (message === null || message.payload.kind !== 'bytes') {
      underWay.set(id, 0);
      return deps.send({ kind: 'gone', id, eventType: message?.eventType ?? '' });
    }
    const { bytes: payload } = message.payload;
    const { contentType, eventType } = message;
    underWay.set(id, payload.byteLength);
    const headers = deps.headersOf(endpoint, { id, payload, contentType });
    deps.send({ kind: 'event', id, eventType, headers, body: Buffer.from(payload).toString('base64') });
  };

  /**
   * Reads on and sends what there is room for. From the tail it finds what is new; a whole pass begins
   * at the mark, finds what appeared below the tail since, and moves the mark.
   */
  const pass = async (endpoint: EndpointConfig, whole: boolean): Promise<void> => {
    // Asked before reading: what commits in between is above it.
    const settled = whole ? below((await deps.oldestWriterMs()) - SETTLED_AFTER_MS) : '';
    const passed: Passed[] = [];
    let from = whole ? mark : tail;
    let isAtEnd = false;
    let isFull = false;
    while (!isAtEnd && !isFull && state === 'running') {
      const { rows, stoppedAt } = await read(endpoint, from);
      const page = rows.slice(0, PAGE);
      for (const message of page) {
        const { id } = message;
        const isDone = done.has(id) || !wants(endpoint, message);
        const isNew = !isDone && !underWay.has(id);
        isFull = isNew && !hasRoom();
        if (isFull) break;
        if (isNew) await forward(endpoint, id);
        passed.push({ id, isDone });
        from = id;
      }
      if (isFull) break;
      isAtEnd = rows.length <= PAGE && stoppedAt === null;
      from = stoppedAt ?? from;
    }
    if (from > tail) tail = from;
    if (!whole) return;
    const reached = nextMark(mark, passed, isAtEnd ? null : from, settled);
    if (reached === mark) return;
    mark = reached;
    if (mark > tail) tail = mark;
    for (const id of done) if (id <= mark) done.delete(id);
    deps.send({ kind: 'mark', mark });
  };

  /** Sleeps until somebody wakes it, also when that was before. */
  const pause = async (ms: number): Promise<void> => {
    if (!isWoken) await Promise.race([deps.sleep(ms), new Promise<void>((resolve) => (onWake = resolve))]);
    isWoken = false;
  };

  /** Runs `work` with the endpoint until it succeeds; null once the session is over. */
  const insist = async <T>(work: (endpoint: EndpointConfig) => Promise<T>): Promise<T | null> => {
    let isStalled = false;
    while (state !== 'closed') {
      try {
        const endpoint = await deps.endpoint();
        if (endpoint !== null) return await work(endpoint);
        state = 'closed';
        deps.end('endpoint_gone');
      } catch (error) {
        if (!isStalled) {
          deps.report(error);
          deps.send({ kind: 'stalled', why: (error as Error).name });
        }
        isStalled = true;
        await pause(RETRY_MS);
      }
    }
    return null;
  };

  const run = async (): Promise<void> => {
    let wholeAtMs = -Infinity;
    while (state === 'running') {
      const whole = deps.clock.monotonicMs() - wholeAtMs >= WHOLE_MS;
      if (whole) wholeAtMs = deps.clock.monotonicMs();
      await insist((endpoint) => pass(endpoint, whole));
      await pause(POLL_MS);
    }
  };

  const count = async (endpoint: EndpointConfig): Promise<{ missed: number; more: boolean }> => {
    let missed = 0;
    let low: string | null = mark;
    while (low !== null && missed < COUNT_UP_TO && state !== 'closed') {
      const { rows, stoppedAt }: Walked<MessageRecord> = await read(endpoint, low);
      const page = rows.slice(0, PAGE);
      missed += page.filter((message) => !done.has(message.id) && wants(endpoint, message)).length;
      low = rows.length > PAGE ? page.at(-1)!.id : stoppedAt;
    }
    return { missed, more: low !== null };
  };

  const resume = async (frame: Extract<ClientFrame, { kind: 'resume' }>): Promise<void> => {
    resumedAtMs = deps.clock.nowMs();
    mark = frame.mark ?? below(Math.min(frame.sinceMs ?? resumedAtMs, resumedAtMs));
    tail = mark;
    for (const id of frame.seen) done.add(id);
    const counted = await insist(count);
    if (counted !== null) deps.send({ kind: 'ready', mark, ...counted });
  };

  const start = (from: 'mark' | 'now'): void => {
    if (from === 'now') {
      mark = below(resumedAtMs);
      tail = mark;
      for (const id of done) if (id <= mark) done.delete(id);
      deps.send({ kind: 'mark', mark });
    }
    state = 'running';
    void run();
  };

  return {
    take: (frame) => {
      switch (frame.kind) {
        case 'resume':
          if (state !== 'new') return deps.end('bad_frame');
          state = 'resumed';
          void resume(frame);
          return;
        case 'go':
          if (state !== 'resumed' || resumedAtMs === 0) return deps.end('bad_frame');
          return start(frame.from);
        case 'done':
          if (underWay.delete(frame.id)) done.add(frame.id);
          if (underWay.size <= WINDOW / 2) wake();
          return;
        case 'again':
          if (underWay.has(frame.id)) void insist((endpoint) => forward(endpoint, frame.id));
          return;
        default:
          return frame satisfies never;
      }
    },
    close: () => {
      state = 'closed';
      wake();
    },
  };
};
