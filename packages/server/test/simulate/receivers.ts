import type { Attempter, AttemptRequest } from '../../src/dispatch/port.ts';
import type { AttemptReport, AttemptResult } from '../../src/domain/attempt.ts';
import { between, whole, type Chance } from './chance.ts';
import type { Client } from './database.ts';
import type { EventOf, History } from './history.ts';
import { postOf } from './payload.ts';
import type { Mood } from './plan.ts';
import type { Planned, VirtualTime } from './virtual-time.ts';

/** The deadline of an attempt. */
export const ATTEMPT_MS = 1_500;
/** From a request's start until it has arrived, at most. */
export const ARRIVAL_MS = 60;
/** How many requests need a new connection, and how long that takes at most. */
const CONNECTING = 0.25;
const CONNECT_MS = 250;

/** What a receiver does with one request; null: never answers. */
type Answer = {
  readonly afterMs: number;
  readonly status: number;
  readonly retryAfter: string | null;
} | null;

export type SimulatedReceivers = {
  readonly attempterOf: (client: Client) => Attempter;
  readonly setMood: (endpointId: string, mood: Mood | null) => void;
  /** The next request of the message is answered with 500. */
  readonly failOnce: (post: number) => void;
  readonly isGone: (endpointId: string) => boolean;
};

const response = ({ status, retryAfter }: NonNullable<Answer>): AttemptResult => ({
  kind: 'response',
  status,
  retryAfter,
  bodyError: null,
});

const reportOf = (
  request: AttemptRequest,
  result: AttemptResult,
  startedAtMs: number,
  totalMs: number,
): AttemptReport => ({
  result,
  startedAtMs,
  phases: { dnsMs: null, connectMs: null, tlsMs: null, firstByteMs: null, totalMs },
  requestHeaders: '',
  responseHeaders: '',
  responseBody: new Uint8Array(0),
  bodyBytes: request.payload.byteLength,
  peer: '192.0.2.1:443',
});

/** The receivers of all endpoints, the network before them, and the clients of the processes. */
export const createReceivers = (
  time: VirtualTime,
  history: History,
  chanceOf: (name: string) => Chance,
): SimulatedReceivers => {
  const moods = new Map<string, Mood>();
  const gone = new Set<string>();
  const failing = new Set<number>();

  const answerOf = (endpointId: string, post: number | null, chance: Chance): Answer => {
    if (post !== null && failing.delete(post)) return { afterMs: 5, status: 500, retryAfter: null };
    const quick = between(chance, 1, 30);
    const say = (status: number, afterMs = quick, retryAfter: string | null = null): Answer => ({
      afterMs,
      status,
      retryAfter,
    });
    const mood = moods.get(endpointId);
    switch (mood) {
      case undefined:
        return say(200);
      case 'slow':
        return say(200, between(chance, 100, 1_800));
      case 'failing':
        return say(500);
      case 'flapping':
        return chance() < 0.5 ? say(200) : say(chance() < 0.5 ? 500 : 503);
      case 'throttling':
        return chance() < 0.4 ? say(200) : say(429, quick, chance() < 0.5 ? String(whole(chance, 3)) : null);
      case 'silent':
        return null;
      case 'gone':
        gone.add(endpointId);
        return say(410);
      case 'resetting':
        // It has worked it off and nobody hears of it.
        return chance() < 0.5 ? say(0) : say(200);
      default:
        return mood satisfies never;
    }
  };

  /** Connecting takes its time now and then, and the process may stand still meanwhile. */
  const deliver = async (client: Client, request: AttemptRequest): Promise<AttemptReport> => {
    const chance = client.chance('connect');
    const beganMs = time.nowMs();
    if (chance() < CONNECTING) {
      await new Promise<void>((resolve) => {
        time.after(between(chance, 1, CONNECT_MS), () => client.enter(resolve));
      });
      if (request.isWanted?.() === false || request.signal?.aborted === true) {
        const aborted: AttemptResult = { kind: 'network', code: 'aborted' };
        return reportOf(request, aborted, beganMs, time.nowMs() - beganMs);
      }
    }
    return send(client, request, beganMs);
  };

  const send = (client: Client, request: AttemptRequest, beganMs: number): Promise<AttemptReport> =>
    new Promise((resolve) => {
      const effect = client.effect();
      if (effect === 'is dead') return;
      const { endpoint, messageId } = request;
      const sentMs = time.nowMs();
      const post = postOf(request.payload);
      const chance = chanceOf(`${endpoint.id} ${String(post)}`);
      const event = history.add<EventOf<'request'>>({
        kind: 'request',
        process: client.name,
        endpointId: endpoint.id,
        url: endpoint.url,
        messageId,
        post,
        beganMs,
        sentMs,
        arrivedMs: null,
        endedMs: null,
        status: null,
        reportedMs: null,
      });
      let isOver = false;
      const planned: Planned[] = [];
      const report = (result: AttemptResult): void =>
        client.enter(() => {
          if (isOver) return;
          isOver = true;
          for (const each of planned) time.cancel(each);
          request.signal?.removeEventListener('abort', onAbort);
          if (result.kind === 'response') event.reportedMs = time.nowMs();
          else event.endedMs ??= time.nowMs();
          resolve(reportOf(request, result, beganMs, time.nowMs() - beganMs));
        });
      const onAbort = (): void => report({ kind: 'network', code: 'aborted' });
      if (request.signal?.aborted === true) return onAbort();
      request.signal?.addEventListener('abort', onAbort);
      const inMs = (ms: number, run: () => void): void => void planned.push(time.after(ms, run));
      const isUnreachable = moods.has(endpoint.id) && chance() < 0.1;
      inMs(ATTEMPT_MS, () => report({ kind: 'timeout', phase: 'headers' }));
      inMs(between(chance, 0.5, chance() < 0.1 ? ARRIVAL_MS : 8), () => {
        if (effect === 'ends with it') client.end();
        if (isUnreachable) return report({ kind: 'network', code: 'refused' });
        event.arrivedMs = time.nowMs();
        const answer = answerOf(endpoint.id, post, chance);
        if (answer === null) return;
        inMs(answer.afterMs, () => {
          event.endedMs ??= time.nowMs();
          if (answer.status === 0) return report({ kind: 'network', code: 'reset' });
          event.status = answer.status;
          inMs(between(chance, 0.5, 8), () => report(response(answer)));
        });
      });
    });

  return {
    attempterOf: (client) => ({ deliver: (request) => deliver(client, request) }),
    setMood: (endpointId, mood) => {
      if (mood === null) moods.delete(endpointId);
      else moods.set(endpointId, mood);
    },
    failOnce: (post) => {
      failing.add(post);
    },
    isGone: (endpointId) => gone.has(endpointId),
  };
};
