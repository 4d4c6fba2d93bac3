import type { Admit, DedupStore, ReceivedEvent, Seen, Sink, Source, Trace } from '../contract.ts';
import type { StandardSchema } from '../schema/index.ts';
import type { HttpRequest } from './request.ts';

/** A verified event, with what the schema made of its body: `undefined` without a schema. */
export type HandledEvent<Data> = ReceivedEvent & { readonly data: Data };

export type HandlerContext = {
  /** What the event is deduplicated by, for a store that shares the handler's transaction. */
  readonly key: string | null;
  /** Aborts when the claim on the event runs out, after which a retry may start it again. */
  readonly signal: AbortSignal;
};

/** What to answer instead of 200 with a line of JSON. From status 400 on the event counts as failed. */
export type Reply = {
  /** @default 200 */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

type Returned = Reply | undefined | void;
export type Handle<Data> = (
  event: HandledEvent<Data>,
  context: HandlerContext,
) => Returned | Promise<Returned>;

export type DedupOptions = {
  readonly store: DedupStore;
  /** How long an event is remembered. @default 48 hours */
  readonly ttlMs?: number;
  /** How long a claim holds when nobody ends it, because its process died. @default 60 s */
  readonly leaseMs?: number;
  /** What to deduplicate by. null: let this one pass. @default the source's id */
  readonly key?: (event: ReceivedEvent) => string | null;
  /** Whether to handle an event even if it was handled before: a resend by hand. */
  readonly pass?: (event: ReceivedEvent) => boolean;
};

type Common<Data> = {
  /**
   * Who sends. With several, by name, a request names one by the last segment of its path
   * (`/webhooks/github`), and that name is `event.source`.
   */
  readonly source: Source | Readonly<Record<string, Source>>;
  /** Names one of several sources. */
  readonly pickSource?: (request: Pick<HttpRequest, 'method' | 'url' | 'headers'>) => string | null;
  /** Whose requests are read at all: an `allowList` of addresses. */
  readonly allow?: { readonly check: Admit };
  /** Checks the body; its result is `event.data`. */
  readonly schema?: StandardSchema<Data>;
  readonly dedup?: DedupStore | DedupOptions;
  /** @default 1 MiB */
  readonly maxBytes?: number;
  /** How long the body may take. @default the deadline */
  readonly readTimeoutMs?: number;
  /** By when every request is answered, work or no work. @default 5 s, less where the sender waits less */
  readonly deadlineMs?: number;
  /** What a sender is asked to wait when the event is not safe yet. @default 5 s */
  readonly retryAfterMs?: number;
  readonly seen?: Seen;
  readonly trace?: Trace;
  /** Gets what a handler threw. @default its name and place are logged, not its message */
  readonly onError?: (error: unknown, event: ReceivedEvent | null) => void;
  /** Where warnings go. @default console.warn */
  readonly log?: (text: string) => void;
  /** Keeps the host awake for work that outlives the answer, such as Next's `after`. */
  readonly waitUntil?: (work: Promise<unknown>) => void;
};

/**
 * Either `handle` does the work before the answer, or `sink` (an inbox, a queue) stores the event
 * and the work follows the answer.
 */
export type ReceiverOptions<Data = undefined> = Common<Data> &
  (
    | { readonly handle: Handle<Data>; readonly sink?: undefined }
    | { readonly sink: Sink; readonly handle?: undefined }
  );

const USUAL_DEADLINE_MS = 5_000;
const HOUR_MS = 3_600_000;

const OPTIONS = [
  'source',
  'pickSource',
  'allow',
  'schema',
  'dedup',
  'maxBytes',
  'readTimeoutMs',
  'deadlineMs',
  'retryAfterMs',
  'seen',
  'trace',
  'onError',
  'log',
  'waitUntil',
  'handle',
  'sink',
];
const DEDUP_OPTIONS = ['store', 'ttlMs', 'leaseMs', 'key', 'pass'];
const NUMBERS = ['maxBytes', 'readTimeoutMs', 'deadlineMs', 'retryAfterMs', 'ttlMs', 'leaseMs'];

/**
 * What was given, without what is undefined: that must not take a default's place. A misspelt guard or a
 * limit that is no number would be no guard and no limit, so nothing starts with them.
 *
 * @throws TypeError
 */
const given = <T extends object>(options: T, known: readonly string[], where: string): T => {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name, value] of entries) {
    if (!known.includes(name))
      throw new TypeError(`There is no option ${where}${name}. There are ${known.join(', ')}.`);
    if (NUMBERS.includes(name) && !(typeof value === 'number' && value > 0 && value < Infinity))
      throw new TypeError(`Expected a number above 0 for ${where}${name}.`);
  }
  return Object.fromEntries(entries) as T;
};

export const settings = <Data>(options: ReceiverOptions<Data>) => {
  const own = given(options, OPTIONS, '');
  const { dedup, source, allow } = own;
  const consumer = consumerOf(own);
  if (allow && typeof allow.check !== 'function')
    throw new TypeError('Expected an allow-list for allow, as allowList(…) makes it.');
  const several = !('check' in source && typeof source.check === 'function');
  const sources = new Map(
    several
      ? Object.entries(source as Readonly<Record<string, Source>>)
      : [[(source as Source).name, source as Source]],
  );
  // The name stands before the id in a deduplication's key, a colon between them.
  for (const name of sources.keys())
    if (name.includes(':')) throw new TypeError(`Give the source "${name}" a name without a colon.`);
  return {
    maxBytes: 1_048_576,
    retryAfterMs: 5_000,
    log: (text: string) => console.warn(text),
    ...own,
    consumer,
    sources,
    several,
    dedup: dedup && {
      ttlMs: 48 * HOUR_MS,
      leaseMs: 60_000,
      ...('store' in dedup ? given(dedup, DEDUP_OPTIONS, 'dedup.') : { store: dedup }),
    },
  };
};

const consumerOf = <Data>({ handle, sink }: ReceiverOptions<Data>) => {
  if (handle && !sink) return { to: 'handler', handle } as const;
  if (sink && !handle) return { to: 'sink', sink } as const;
  throw new TypeError('Pass either handle, which works before the answer, or sink, which stores events.');
};

export type Settings<Data> = ReturnType<typeof settings<Data>>;
export type Dedup = NonNullable<Settings<unknown>['dedup']>;

/** What is wrong with the options, as far as it can be told before the first request. */
export const warnings = <Data>({ dedup, sources }: Settings<Data>): string[] =>
  [...sources].flatMap(([name, { retryWindowMs = 0 }]) =>
    dedup && retryWindowMs > dedup.ttlMs
      ? [
          `${name} retries for up to ${hours(retryWindowMs)} hours but events are remembered for ${hours(dedup.ttlMs)}: ` +
            `a late retry would be handled twice. Set dedup.ttlMs to ${retryWindowMs} or more.`,
        ]
      : [],
  );

/** The answer has to travel, too. */
const TRAVEL_MS = 500;

/** How long one request may take here. */
export const patience = <Data>(
  { deadlineMs }: Settings<Data>,
  { patienceMs = Infinity }: Partial<Source>,
  hostMs = Infinity,
): number => Math.min(deadlineMs ?? Math.min(USUAL_DEADLINE_MS, patienceMs - TRAVEL_MS), hostMs - TRAVEL_MS);

const hours = (ms: number): number => Math.round((ms / HOUR_MS) * 10) / 10;
