import type { Seen } from '../contract.ts';
import { header } from '../headers.ts';
import { type Answer, answerFailure, type Failure, statusOf, withoutBody } from './answer.ts';
import { deadlineIn } from './deadline.ts';
import { traceparentOf } from './event.ts';
import { patience, type ReceiverOptions, settings, type Settings, warnings } from './options.ts';
import type { HttpRequest } from './request.ts';
import { take } from './take.ts';
import { type About, inSpan, logSafely, reportError } from './watch.ts';

export type Receiver = {
  /** Answers one request before its deadline. Never rejects. */
  readonly receive: (request: HttpRequest) => Promise<Answer>;
  /** Resolves when all work that outlived its answer has ended: before a process exits. */
  readonly idle: () => Promise<void>;
};

/**
 * The one handler behind all adapters: picks the source, reads the raw body within its limits,
 * verifies, checks the schema, deduplicates, hands over, and answers 2xx only once the event is safe.
 */
export const createReceiver = <Data = undefined>(options: ReceiverOptions<Data>): Receiver => {
  const set = settings(options);
  const loggedAtMs = new Map<string, number>();
  const warn = (text: string, everyMs: number): void => {
    const nowMs = Date.now();
    if (nowMs - (loggedAtMs.get(text) ?? -Infinity) < everyMs) return;
    loggedAtMs.set(text, nowMs);
    logSafely(set.log, `@posthorn/receiver: ${text}`);
  };
  const warnOnce = (text: string): void => warn(text, Infinity);
  warnings(set).forEach(warnOnce);

  const background = new Set<Promise<unknown>>();
  const receive = async (request: HttpRequest): Promise<Answer> => {
    const name = pickedSource(set, request);
    const source = name === null ? undefined : set.sources.get(name);
    const about: About = {
      source: source && name !== null ? name : 'unknown',
      ...traceparentOf(header(request.headers, 'traceparent')),
    };
    const outlive = (work: Promise<unknown>): void => {
      const ended = work.finally(() => background.delete(ended));
      background.add(ended);
      (request.waitUntil ?? set.waitUntil)?.(ended);
    };
    const answer = await inSpan(set, 'receive', about, async (tell: Seen) => {
      const deadline = deadlineIn(patience(set, source ?? {}, request.remainingMs));
      const taken = await take({ set, about, tell, warnOnce, outlive, deadline }, source, request).catch(
        (error: unknown): Failure => {
          reportError(set, 'a request could not be taken', error, null);
          return { code: 'handler_failed', message: 'The receiver failed. Its log says more.' };
        },
      );
      deadline.stop();
      if (!('code' in taken)) return taken;
      tell({ ...about, kind: 'rejected', code: taken.code, status: statusOf(taken.code) });
      // Senders see the answer only, and what is wrong on this side is to be mended here.
      if (taken.log !== undefined) warn(`${about.source}: ${taken.code}: ${taken.log}`, LOG_AGAIN_MS);
      return answerFailure(taken, set.retryAfterMs, Date.now());
    });
    return request.method === 'HEAD' ? withoutBody(answer) : answer;
  };

  const idle = async (): Promise<void> => {
    while (background.size > 0) await Promise.allSettled(background);
  };
  return { receive, idle };
};

/** So often the same complaint may be repeated, however many requests meet it. */
const LOG_AGAIN_MS = 60_000;

/** The receiver that adapters are given, or made of its options. */
export const receiverOf = <Data>(options: ReceiverOptions<Data> | Receiver): Receiver =>
  'receive' in options ? options : createReceiver(options);

const pickSource = <Data>(
  { sources, several, pickSource: pick = lastSegment }: Settings<Data>,
  request: HttpRequest,
): string | null => (several ? pick(request) : ([...sources.keys()][0] ?? null));

// The URL holds what the sender wrote as its host: a function that parses it may throw.
const pickedSource = <Data>(set: Settings<Data>, request: HttpRequest): string | null => {
  try {
    return pickSource(set, request);
  } catch (error) {
    reportError(set, 'pickSource threw', error, null);
    return null;
  }
};

const lastSegment = ({ url }: Pick<HttpRequest, 'url'>): string | null =>
  url
    .replace(/[?#].*$/s, '')
    .split('/')
    .findLast(Boolean) ?? null;
