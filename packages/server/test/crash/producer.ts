import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { createChanges, nowMs } from './changes.ts';
import type { Posting } from './history.ts';

export type ProducerOptions = {
  /** Of the server; it may come and go. */
  readonly url: string;
  readonly token: string;
  readonly applicationId: string;
  /** Producers at work at once. */
  readonly count: number;
  /** Between an answer and the producer's next event. */
  readonly pauseMs: number;
};

/** Answers that said to come back, as they came. */
export type Refusal = { readonly atMs: number; readonly retryAfter: string | null; readonly code: string };

/** Producers outside of the system, and the memory of what each was told. */
export type Producer = {
  readonly postings: () => readonly Posting[];
  readonly refusals: () => readonly Refusal[];
  /** When each acknowledgement came, in order. */
  readonly acknowledgedAt: () => readonly number[];
  /** Answers that no server should give. */
  readonly surprises: () => readonly string[];
  /** Posts one event besides the load; resolves with what became of it. */
  readonly post: () => Promise<Posting>;
  /** Begins no further event; resolves when each that was begun has an answer. */
  readonly finish: (timeoutMs?: number) => Promise<void>;
  readonly until: (what: string, isTrue: () => boolean, timeoutMs?: number) => Promise<void>;
  readonly close: () => Promise<void>;
};

type Event = { -readonly [Key in keyof Posting]: Posting[Key] } & {
  readonly body: string;
  readonly isKeyed: boolean;
  /** Given up at the first refusal: it must not be stored then. */
  readonly isTimid: boolean;
};

type Told =
  | { readonly kind: 'accepted'; readonly id: string }
  | { readonly kind: 'exists' }
  | { readonly kind: 'refused'; readonly retryAfter: string | null; readonly code: string }
  | { readonly kind: 'open' }
  | { readonly kind: 'surprise'; readonly detail: string };

const PATIENCE_MS = 20_000;
const BETWEEN_TRIES_MS = 50;
const ANSWER_TIMEOUT_MS = 10_000;
const TIMID_EVERY = 8;

const readAnswer = (status: number, retryAfter: string | null, text: string): Told => {
  let body: { id?: unknown; code?: unknown };
  try {
    body = JSON.parse(text) as { id?: unknown; code?: unknown };
  } catch {
    return { kind: 'surprise', detail: `${status} without JSON: ${text.slice(0, 200)}` };
  }
  const code = String(body.code);
  if (status === 202 && typeof body.id === 'string') return { kind: 'accepted', id: body.id };
  if (status === 409 && code === 'conflict') return { kind: 'exists' };
  if (status === 503 && retryAfter === null)
    return { kind: 'surprise', detail: `503 ${code} without Retry-After` };
  if (status === 503 && code === 'outcome_unknown') return { kind: 'open' };
  if (status === 503) return { kind: 'refused', retryAfter, code };
  return { kind: 'surprise', detail: `${status} ${text.slice(0, 200)}` };
};

/**
 * Starts producers that post events of their own, each with its own event id and bytes, half of them with an
 * idempotency key. What gets no answer or an open one is posted again, the same way, until it is told.
 */
export const startProducer = (options: ProducerOptions): Producer => {
  const agent = new Agent({ headersTimeout: ANSWER_TIMEOUT_MS, bodyTimeout: ANSWER_TIMEOUT_MS });
  const events: Event[] = [];
  const refusals: Refusal[] = [];
  const acknowledgedAt: number[] = [];
  const surprises: string[] = [];
  let isStopping = false;
  let isAborted = false;
  const changes = createChanges(
    () =>
      `${events.length} events were posted, ${acknowledgedAt.length} acknowledged, ${refusals.length} refusals came`,
  );

  const compose = (): Event => {
    const number = events.length;
    const eventId = `event-${number}-${randomBytes(6).toString('hex')}`;
    // Bytes that only survive when nobody parses and prints them again.
    const payload = `{"n":${number}.0,"n":${number}, "text":"\\u0000 \\ud800 ${randomBytes(12).toString('base64')}"}`;
    const event: Event = {
      eventId,
      payloadSha256: createHash('sha256').update(payload).digest('hex'),
      messageIds: [],
      end: 'unknown',
      body: `{"eventType":"crash.test","eventId":"${eventId}","payload":${payload}}`,
      isKeyed: number % 2 === 0,
      isTimid: number % TIMID_EVERY === 0,
    };
    events.push(event);
    return event;
  };

  const send = async (event: Event): Promise<Told> => {
    let response;
    let text;
    try {
      response = await request(`${options.url}/api/v1/app/${options.applicationId}/msg`, {
        method: 'POST',
        dispatcher: agent,
        headers: {
          authorization: `Bearer ${options.token}`,
          'content-type': 'application/json',
          ...(event.isKeyed ? { 'idempotency-key': event.eventId } : {}),
        },
        body: event.body,
      });
      text = await response.body.text();
    } catch {
      return { kind: 'open' };
    }
    const retryAfter = response.headers['retry-after'];
    return readAnswer(response.statusCode, typeof retryAfter === 'string' ? retryAfter : null, text);
  };

  /** Takes an answer in; true when the event has its end. */
  const hear = (event: Event, told: Told, isFirst: boolean): boolean => {
    switch (told.kind) {
      case 'accepted':
        if (!event.messageIds.includes(told.id)) event.messageIds = [...event.messageIds, told.id];
        event.end = 'acknowledged';
        acknowledgedAt.push(nowMs());
        return true;
      case 'exists':
        // The first try of a new event cannot be there already.
        if (isFirst) surprises.push(`409 for the first try of ${event.eventId}`);
        if (event.isKeyed) surprises.push(`409 for ${event.eventId}, whose idempotency key should have won`);
        event.end = 'acknowledged';
        acknowledgedAt.push(nowMs());
        return true;
      case 'refused':
        refusals.push({ atMs: nowMs(), retryAfter: told.retryAfter, code: told.code });
        if (!isFirst || !event.isTimid) return false;
        event.end = 'refused';
        return true;
      case 'open':
        return false;
      case 'surprise':
        surprises.push(told.detail);
        return true;
      default:
        return told satisfies never;
    }
  };

  const see = async (event: Event): Promise<void> => {
    for (let isFirst = true; !isAborted; isFirst = false) {
      const isOver = hear(event, await send(event), isFirst);
      changes.tell();
      if (isOver) return;
      await pause(BETWEEN_TRIES_MS);
    }
  };

  const produce = async (): Promise<void> => {
    while (!isStopping) {
      await see(compose());
      await pause(options.pauseMs);
    }
  };

  let working = options.count;
  for (let n = 0; n < options.count; n++) {
    void produce().finally(() => {
      working--;
      changes.tell();
    });
  }

  return {
    postings: () => events,
    refusals: () => refusals,
    acknowledgedAt: () => acknowledgedAt,
    surprises: () => surprises,
    post: async () => {
      const event = compose();
      await see(event);
      return event;
    },
    finish: async (timeoutMs = PATIENCE_MS) => {
      isStopping = true;
      await changes.until('the last events to be answered', () => working === 0, timeoutMs);
    },
    until: (what, isTrue, timeoutMs = PATIENCE_MS) => changes.until(what, isTrue, timeoutMs),
    close: async () => {
      isStopping = isAborted = true;
      await agent.destroy();
    },
  };
};
