import fc from 'fast-check';
import type { Priority } from '../../src/domain/delivery.ts';
import type { Verdict } from '../../src/domain/attempt.ts';

/** One operation of a schedule, with everything by small numbers that are resolved when it runs. */
export type Step =
  | {
      readonly op: 'accept';
      readonly node: number;
      readonly items: readonly AcceptItem[];
      /** Committed, but its reply never came: nobody remembers it. */
      readonly replyLost: boolean;
    }
  | {
      readonly op: 'heartbeat';
      readonly node: number;
      readonly take: number;
      readonly seize: boolean;
      readonly isTaking?: boolean;
    }
  | {
      readonly op:
        | 'expireLeases'
        | 'expireDraining'
        | 'raiseConfig'
        | 'sweep'
        | 'expire'
        | 'repair'
        | 'readLanes'
        | 'cluster'
        | 'raise';
    }
  | { readonly op: 'takeOver' | 'reconcile' | 'dueLanes'; readonly node: number }
  | { readonly op: 'unfold'; readonly node: number; readonly classes?: readonly Priority[] }
  | { readonly op: 'recall'; readonly key: number; readonly hash: number }
  | { readonly op: 'poll'; readonly node: number; readonly upto?: Priority; readonly limit?: number }
  | {
      readonly op: 'pollOrdered';
      readonly node: number;
      /** By name, by a scan of all, or what waits for its time. */
      readonly by: 'name' | 'scan' | 'time';
      /** Keys of a lane. */
      readonly most: number;
      readonly budgetBytes: number;
    }
  | { readonly op: 'settle'; readonly node: number; readonly picks: readonly Pick[] }
  | { readonly op: 'handBack'; readonly node: number; readonly picks: readonly number[] }
  | {
      readonly op: 'release';
      readonly node: number;
      readonly drain: boolean;
      /** Only these partitions; without: all, for the node leaves. */
      readonly only?: readonly number[];
      /** By the token of an earlier tenure. */
      readonly stale?: boolean;
    }
  | { readonly op: 'manual'; readonly pick: number; readonly succeeded: boolean }
  | { readonly op: 'close'; readonly node: number; readonly endpoint: number }
  | { readonly op: 'disable'; readonly endpoint: number }
  | {
      readonly op: 'saveLane';
      readonly node: number;
      readonly endpoint: number;
      readonly blocked: boolean;
      /** By the token of an earlier tenure. */
      readonly stale?: boolean;
    }
  | {
      readonly op: 'deal';
      readonly node: number;
      readonly share: number;
      readonly limit: number;
      /** Held for long, or over at once. */
      readonly isHeld: boolean;
    }
  | { readonly op: 'expunge'; readonly pick: number };

type AcceptItem = {
  readonly endpoints: readonly number[];
  readonly hold: boolean;
  readonly event: number | null;
  readonly key: number | null;
  readonly hash: number;
  readonly stale: boolean;
  /** Its deliveries are written later, by the owner of this partition. */
  readonly unfoldedBy: number | null;
  readonly deliver?: Moment;
  readonly expires?: Moment;
  readonly priority?: Priority;
  /** The ordering key of the message; without one only the endpoint that is fifo has an order. */
  readonly order?: number | null | undefined;
};
/** Over already when the schedule begins, or days ahead. */
export type Moment = 'past' | 'later';
type Pick = { readonly pick: number; readonly verdict: 'succeeded' | 'dead' | 'soon' | 'later' };

/** Two operations at once: the first one's transaction stays open while the second one runs. */
export type Overlap = { readonly first: Step; readonly second: Step; readonly commit: boolean };
export type Turn = { readonly kind: 'alone'; readonly step: Step } | ({ readonly kind: 'overlap' } & Overlap);

export const LATER_MS = 3 * 86_400_000;

export const verdictOf = (name: Pick['verdict'], startMs: number): Verdict => {
  switch (name) {
    case 'succeeded':
      return { kind: 'succeeded' };
    case 'dead':
      return { kind: 'dead', reason: 'exhausted' };
    case 'soon':
      return { kind: 'retry', atMs: startMs - 1000, countsAsAttempt: true };
    case 'later':
      return { kind: 'retry', atMs: startMs + LATER_MS, countsAsAttempt: true };
    default:
      return name satisfies never;
  }
};

const node = fc.nat(1);
const pick = fc.nat(7);
const endpoint = fc.nat(3);
const priority = fc.constantFrom(...([0, 1, 2] as const));
const item: fc.Arbitrary<AcceptItem> = fc.record({
  priority,
  endpoints: fc.uniqueArray(endpoint, { maxLength: 4 }),
  hold: fc.boolean(),
  event: fc.option(fc.nat(2), { freq: 2 }),
  key: fc.option(fc.nat(2), { freq: 2 }),
  hash: fc.nat(1),
  stale: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
  unfoldedBy: fc.option(fc.nat(3), { freq: 3 }).map((partition) => partition),
  order: fc.option(fc.nat(1), { freq: 2 }),
});
const scheduledItem: fc.Arbitrary<AcceptItem> = fc
  .record({ item, deliver: fc.constantFrom('past', 'later'), expires: fc.constantFrom('past', 'later') })
  .map(({ item: plain, ...schedule }) => ({ ...plain, hold: false, ...schedule }));
const accept: fc.Arbitrary<Step> = fc.record({
  op: fc.constant('accept'),
  node,
  items: fc.array(fc.oneof({ weight: 3, arbitrary: item }, { weight: 1, arbitrary: scheduledItem }), {
    minLength: 1,
    maxLength: 3,
  }),
  replyLost: fc.boolean(),
});
const settle: fc.Arbitrary<Step> = fc.record({
  op: fc.constant('settle'),
  node,
  picks: fc.uniqueArray(fc.record({ pick, verdict: fc.constantFrom('succeeded', 'dead', 'soon', 'later') }), {
    minLength: 1,
    maxLength: 4,
    selector: (one) => one.pick,
  }),
});

export const step = fc.oneof<fc.WeightedArbitrary<Step>[]>(
  { weight: 6, arbitrary: accept },
  { weight: 6, arbitrary: settle },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('heartbeat'),
      node,
      take: fc.nat(4),
      seize: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
      isTaking: fc.integer({ min: 0, max: 5 }).map((n) => n > 0),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constantFrom(
        'expireLeases',
        'expireDraining',
        'raiseConfig',
        'sweep',
        'expire',
        'repair',
        'readLanes',
        'cluster',
        'cluster',
        'raise',
        'raise',
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ op: fc.constantFrom('takeOver', 'reconcile', 'dueLanes'), node }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('unfold'),
      node,
      classes: fc.shuffledSubarray([0, 1, 2] as const, { minLength: 1 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant('poll'), node, upto: priority, limit: fc.constantFrom(1, 100) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('pollOrdered'),
      node,
      by: fc.constantFrom('name', 'scan', 'time'),
      most: fc.constantFrom(1, 10),
      // A payload has seven bytes or a few more.
      budgetBytes: fc.constantFrom(1, 8, 1_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('handBack'),
      node,
      picks: fc.array(pick, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('release'), node, drain: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('release'),
      node,
      drain: fc.boolean(),
      only: fc.uniqueArray(fc.nat(3), { minLength: 1, maxLength: 2 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('manual'), pick, succeeded: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('close'), node, endpoint }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('disable'), endpoint }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('saveLane'),
      node,
      endpoint,
      blocked: fc.boolean(),
      stale: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('deal'),
      node,
      share: fc.nat(12),
      limit: fc.constantFrom(6, 10),
      isHeld: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('expunge'), pick }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('recall'), key: fc.nat(2), hash: fc.nat(1) }) },
);

/** Changes from outside are made alone: they stand for what nobody races with in a port's terms. */
const isOutside = ({ op }: Step): boolean =>
  op === 'expireLeases' || op === 'expireDraining' || op === 'raiseConfig' || op === 'expunge';

const alone: fc.Arbitrary<Turn> = step.map((one) => ({ kind: 'alone', step: one }));
const overlap: fc.Arbitrary<Turn> = fc
  .record({ first: step, second: step, commit: fc.integer({ min: 0, max: 3 }).map((n) => n > 0) })
  .filter(({ first, second }) => !isOutside(first) && !isOutside(second))
  .map((both) => ({ kind: 'overlap', ...both }));

/** Schedules begin owned, so that most of them do something. */
export const schedule = (maxLength: number): fc.Arbitrary<Turn[]> =>
  fc
    .array(fc.oneof({ weight: 2, arbitrary: alone }, { weight: 1, arbitrary: overlap }), {
      minLength: 4,
      maxLength,
    })
    .map((turns) => [
      { kind: 'alone', step: { op: 'heartbeat', node: 0, take: 3, seize: false } },
      { kind: 'alone', step: { op: 'heartbeat', node: 1, take: 4, seize: false } },
      ...turns,
    ]);
