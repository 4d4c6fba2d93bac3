import type { ReceivedEvent } from '../contract.ts';
import { inTransaction, type SqlClient } from '../sql/client.ts';
import { attempting, type Attempted, errorText, type Watching } from './attempt.ts';
import { type Backoff, waitAfter } from './backoff.ts';
import type { Inbox, Job } from './inbox.ts';
import { keepHouse } from './housekeeping.ts';
import { pacer, untilItAnswers } from './pacer.ts';

export type JobContext = {
  /** 1 for the first. */
  readonly attempt: number;
  /** Aborts when the time is over, the job is no longer held, or a stop does not wait any longer. */
  readonly signal: AbortSignal;
};

export type WorkOptions = Watching & {
  /** At most so many at once. @default 8 */
  readonly concurrency?: number;
  /** Then it is a dead letter. @default 10 */
  readonly maxAttempts?: number;
  readonly backoff?: Backoff;
  /** How long one attempt may take. @default 10 min */
  readonly timeoutMs?: number;
  /** How long after its worker's death an event is taken up again; renewed while it works. @default 30 s */
  readonly leaseMs?: number;
  /** How often to look for events that another process stored. @default 500 ms */
  readonly pollMs?: number;
  /** @default Math.random */
  readonly random?: () => number;
  /** Told of a database that does not answer; the workers go on trying. */
  readonly onError?: (error: unknown) => void;
};

export type Workers = {
  /** Looks for events now. */
  readonly wake: () => void;
  /**
   * Starts nothing more and resolves when what runs has ended. After `graceMs` the signals abort and
   * the rest goes back to the inbox, its attempt not counted. @default graceMs 30 s
   */
  readonly stop: (options?: { readonly graceMs?: number }) => Promise<void>;
};

/**
 * Works through an inbox: at least once, as often as `maxAttempts` until it succeeds. Resolve to
 * succeed, reject to be tried again. Start it in as many processes as you like.
 */
export const work = (
  inbox: Inbox,
  handle: (event: ReceivedEvent, context: JobContext) => unknown,
  options: WorkOptions = {},
): Workers =>
  run(inbox, options, async (job, token, context, keep) => {
    await handle(job.event, context);
    return keep(() => inbox.jobs.done(job, token));
  });

/**
 * Like {@link work}, with exactly one effect: `tx` is a transaction in which the event ends as well.
 * A process that dies, a lease that runs out, an error: nothing of it was written.
 */
export const workInTransaction = (
  inbox: Inbox,
  handle: (event: ReceivedEvent, context: JobContext & { readonly tx: SqlClient }) => unknown,
  options: WorkOptions = {},
): Workers =>
  run(inbox, options, async (job, token, context) => {
    try {
      await inTransaction(inbox.jobs.pool, async (tx) => {
        await handle(job.event, { ...context, tx });
        if (!(await inbox.jobs.done(job, token, tx))) throw OVERTAKEN;
      });
      return true;
    } catch (error) {
      if (error === OVERTAKEN) return false;
      throw error;
    }
  });

const OVERTAKEN = new Error('Another worker holds the event');

/** Handles a job and ends it; whether it was still held. */
type Effect = (
  job: Job,
  token: string,
  context: JobContext,
  keep: <T>(step: () => Promise<T>) => Promise<T>,
) => Promise<boolean>;

const run = (inbox: Inbox, options: WorkOptions, effect: Effect): Workers => {
  const { jobs } = inbox;
  const { concurrency = 8, maxAttempts = 10, backoff = {}, timeoutMs = 600_000, leaseMs = 30_000 } = options;
  const { pollMs = 500, random = Math.random } = options;
  const token = crypto.randomUUID();
  const running = new Map<string, { readonly abort: AbortController; readonly end: Promise<void> }>();
  const pace = pacer();
  const quitting = new AbortController();
  const onError = (error: unknown): void => {
    try {
      options.onError?.(error);
    } catch {
      // A hook that throws must not stop the workers.
    }
  };
  const keep = <T>(step: () => Promise<T>): Promise<T> => untilItAnswers(step, quitting.signal, onError);

  const settle = async (job: Job, abort: AbortController): Promise<Attempted> => {
    const { signal } = abort;
    const timer = setTimeout(() => abort.abort(new Error(`Not done within ${timeoutMs} ms`)), timeoutMs);
    try {
      const working = effect(job, token, { attempt: job.attempt, signal }, keep);
      return { kind: (await unlessAborted(working, signal)) ? 'processed' : 'overtaken' };
    } catch (error) {
      const last = job.attempt >= maxAttempts;
      const text = errorText(error);
      const waitMs = waitAfter(job.attempt, backoff, random);
      const ended = await keep(() =>
        quitting.signal.aborted
          ? jobs.release(job, token)
          : last
            ? jobs.bury(job, token, text)
            : jobs.retry(job, token, waitMs, text),
      );
      if (!ended) return { kind: 'overtaken' };
      return { kind: last && !quitting.signal.aborted ? 'dead' : 'failed', error };
    } finally {
      clearTimeout(timer);
    }
  };

  const start = (job: Job): void => {
    const abort = new AbortController();
    const end = attempting(options, job.event, job.attempt, () => settle(job, abort))
      .catch(onError)
      .then(() => {
        running.delete(job.id);
        pace.wake();
      });
    running.set(job.id, { abort, end });
  };

  const loop = async (): Promise<void> => {
    while (!pace.stopped()) {
      const free = concurrency - running.size;
      let taken: Job[] = [];
      try {
        if (free > 0) taken = await jobs.claim(token, leaseMs, free);
      } catch (error) {
        onError(error);
      }
      if (pace.stopped()) await Promise.all(taken.map((job) => jobs.release(job, token).catch(onError)));
      else taken.forEach(start);
      // A full catch: there is probably more, as soon as there is a place.
      if (taken.length === 0 || running.size >= concurrency) await pace.wait(pollMs);
    }
  };

  const house = keepHouse({
    inbox,
    token,
    leaseMs,
    maxAttempts,
    watching: options,
    running: () => running,
    onError,
  });
  const looping = loop();
  const unhook = jobs.onStored(pace.wake);

  return {
    wake: pace.wake,
    stop: async ({ graceMs = 30_000 } = {}) => {
      unhook();
      pace.stop();
      await looping;
      const timer = setTimeout(() => {
        quitting.abort();
        for (const { abort } of running.values()) abort.abort(new Error('The workers stop'));
      }, graceMs);
      await Promise.all([...running.values()].map(({ end }) => end));
      clearTimeout(timer);
      await house.stop();
    },
  };
};

/** The work's end, or a rejection with the signal's reason when that aborts first. */
const unlessAborted = <T>(working: Promise<T>, signal: AbortSignal): Promise<T> =>
  Promise.race([
    working,
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    }),
  ]);
