import type { Claim, DedupStore, ReceivedEvent } from '../contract.ts';
import { aboutOf, attempting, errorText, tellOf, type Watching } from '../inbox/attempt.ts';
import { type Backoff, waitAfter } from '../inbox/backoff.ts';
import { dedupOf, type QueueDedup } from './dedup.ts';
import { type Delivered, unpack } from './message.ts';

/** What could not be handled. */
export type DeadMessage = {
  /** As it came from the broker. */
  readonly message: Delivered;
  readonly event: ReceivedEvent;
  readonly key: string | null;
  readonly attempts: number;
  /** Of the last attempt: name and message. */
  readonly error: string;
};

export type ConsumeOptions = Watching & {
  /** Resolve to succeed, reject to be tried again. */
  readonly handle: (
    event: ReceivedEvent,
    context: { readonly attempt: number; readonly signal: AbortSignal },
  ) => unknown;
  /** Without it a message that the broker hands over twice is handled twice. */
  readonly dedup?: DedupStore | QueueDedup;
  /** Then it is a dead letter. @default 10 */
  readonly maxAttempts?: number;
  readonly backoff?: Backoff;
  /** Keeps a dead letter; it is gone from the queue once this resolves. */
  readonly deadLetter?: (dead: DeadMessage) => unknown;
  /** @default Math.random */
  readonly random?: () => number;
  /** Told of a store that does not answer and of dead letters that could not be kept. */
  readonly onError?: (error: unknown) => void;
};

/** What to tell the broker. */
export type Verdict =
  | { readonly kind: 'ack'; readonly why: 'processed' | 'duplicate' | 'dead' }
  /** `counts`: an attempt was used up. */
  | { readonly kind: 'retry'; readonly waitMs: number; readonly counts: boolean; readonly error: string }
  /** Out of attempts, and there is no `deadLetter`: the broker's own rule is to take it. */
  | { readonly kind: 'dead'; readonly error: string; readonly attempts: number };

export type Consumer = (message: Delivered) => Promise<Verdict>;

/** The one rule of all queues: deduplicate, handle, count, retry or bury. Never rejects. */
export const createConsumer = (options: ConsumeOptions): Consumer => {
  const { handle, maxAttempts = 10, random = Math.random } = options;
  const backoff = { ceilingMs: 60_000, ...options.backoff };
  const dedup = options.dedup === undefined ? null : dedupOf(options.dedup);
  const tell = tellOf(options);
  const onError = (error: unknown): void => {
    try {
      options.onError?.(error);
    } catch {
      // A hook that throws must not cost an event.
    }
  };

  return async (message) => {
    const { attempt } = message;
    const { event, key } = unpack(message, Date.now());
    const again = (error: unknown, counts: boolean, mostMs = Infinity): Verdict => {
      const waitMs = Math.min(waitAfter(attempt, backoff, random), mostMs);
      return { kind: 'retry', waitMs, counts, error: errorText(error) };
    };

    const claim = await claimOf(dedup, key).catch((error: unknown) => ({ kind: 'away', error }) as const);
    if (claim.kind === 'away') {
      onError(claim.error);
      return again(claim.error, false);
    }
    if (claim.kind === 'done') {
      tell({ ...aboutOf(event), kind: 'duplicate', id: event.id });
      return { kind: 'ack', why: 'duplicate' };
    }
    // The lease is only the longest that it can take.
    if (claim.kind === 'busy') return again(new Error('Another is handling it'), false, claim.retryAfterMs);

    const ended = await attempting(options, event, attempt, async () => {
      const failure = await handled(handle, event, attempt, dedup?.leaseMs);
      if (failure === null) return { kind: await claim.done(onError) };
      await claim.forget().catch(onError);
      return { kind: attempt >= maxAttempts ? 'dead' : 'failed', error: failure.error };
    });
    switch (ended.kind) {
      case 'processed':
      case 'overtaken':
        return { kind: 'ack', why: 'processed' };
      case 'failed':
        return again(ended.error, true);
      case 'dead': {
        const error = errorText(ended.error);
        if (!options.deadLetter) return { kind: 'dead', error, attempts: attempt };
        try {
          await options.deadLetter({ message, event, key, attempts: attempt, error });
          return { kind: 'ack', why: 'dead' };
        } catch (unkept) {
          onError(unkept);
          return again(unkept, false);
        }
      }
      default:
        return ended satisfies never;
    }
  };
};

type Hold = {
  readonly kind: 'first';
  readonly done: (onError: (error: unknown) => void) => Promise<'processed' | 'overtaken'>;
  readonly forget: () => Promise<void>;
};

const FREE: Hold = { kind: 'first', done: async () => 'processed', forget: async () => {} };
const RECORD_TRIES = 3;

const claimOf = async (
  dedup: Required<QueueDedup> | null,
  key: string | null,
): Promise<Hold | Exclude<Claim, { kind: 'first' }>> => {
  if (dedup === null || key === null) return FREE;
  const { store, ttlMs, leaseMs } = dedup;
  // The same store may serve the sending half, whose keys are others.
  const name = `handled:${key}`;
  const claim = await store.claim(name, { ttlMs, leaseMs, nowMs: Date.now() });
  if (claim.kind !== 'first') return claim;
  return {
    kind: 'first',
    forget: () => store.forget(name, claim.token),
    done: async (onError) => {
      for (let tried = 1; tried <= RECORD_TRIES; tried += 1)
        try {
          return (await store.done(name, claim.token)) === 'lost' ? 'overtaken' : 'processed';
        } catch (error) {
          onError(error);
        }
      // The effect is there, only the note of it is missing.
      return 'processed';
    },
  };
};

/** What the handler failed with; its signal aborts when the lease is over. */
const handled = async (
  handle: ConsumeOptions['handle'],
  event: ReceivedEvent,
  attempt: number,
  leaseMs: number | undefined,
): Promise<{ readonly error: unknown } | null> => {
  const lease = new AbortController();
  const timer =
    leaseMs === undefined
      ? undefined
      : setTimeout(() => lease.abort(new Error('The lease is over')), leaseMs);
  try {
    await handle(event, { attempt, signal: lease.signal });
    return null;
  } catch (error) {
    return { error };
  } finally {
    clearTimeout(timer);
  }
};
