import type { PoisonPolicy, Priority } from '../../src/domain/delivery.ts';
import { between, createStreams, pick, whole, type Chance } from './chance.ts';

/** What messages name, in turns; null: nothing. */
const CLASSES: readonly (Priority | null)[] = [1, 2, null, 0, 2];

/** One message that a producer wants accepted; tried again, at any node, until it is answered. */
export type Post = {
  readonly kind: 'post';
  readonly atMs: number;
  /** Names the message: its payload says so. */
  readonly index: number;
  readonly slot: number;
  readonly application: number;
  readonly eventType: number;
  /** What makes a repetition the same message; without either it is tried once. */
  readonly identity: 'key' | 'event' | 'both' | 'none';
  /** The same request again at another node, before the first is answered. */
  readonly twin: boolean;
  readonly bytes: number;
  readonly priority: Priority | null;
  /** null: it has an order only where the endpoint is fifo. */
  readonly orderingKey: number | null;
};

/** A change of an endpoint through the API of a node. */
export type Change = {
  readonly kind: 'change';
  readonly atMs: number;
  readonly slot: number;
  readonly endpoint: number;
  readonly to: 'created' | 'disabled' | 'enabled' | 'deleted' | 'moved';
};

export type Mood = 'slow' | 'failing' | 'flapping' | 'throttling' | 'silent' | 'gone' | 'resetting';

/** What goes wrong. Whatever lasts is over at the end of the storm. */
export type Fault =
  /** The node's n-th store call or request from then on is its last: never sent, or done without it. */
  | {
      readonly kind: 'crash';
      readonly atMs: number;
      readonly slot: number;
      readonly effects: number;
      readonly side: 'before' | 'after';
      readonly downMs: number;
    }
  | { readonly kind: 'pause'; readonly atMs: number; readonly slot: number; readonly ms: number }
  /** As a pause, but of the whole machine: its monotonic clock stands still as well. */
  | { readonly kind: 'sleep'; readonly atMs: number; readonly slot: number; readonly ms: number }
  /** No packet between node and database. */
  | { readonly kind: 'cut'; readonly atMs: number; readonly slot: number; readonly ms: number }
  | {
      readonly kind: 'drain';
      readonly atMs: number;
      readonly slot: number;
      readonly graceMs: number;
      readonly downMs: number;
    }
  | { readonly kind: 'wall'; readonly atMs: number; readonly slot: number; readonly byMs: number }
  | { readonly kind: 'database-clock'; readonly atMs: number; readonly byMs: number }
  | { readonly kind: 'database-restart'; readonly atMs: number; readonly ms: number }
  /** Statements are slow, are cancelled, or lose their replies, each with the share given. */
  | {
      readonly kind: 'weather';
      readonly atMs: number;
      readonly ms: number;
      readonly slow: number;
      readonly canceled: number;
      readonly lost: number;
    }
  | {
      readonly kind: 'receiver';
      readonly atMs: number;
      readonly ms: number;
      readonly endpoint: number;
      readonly mood: Mood;
    };

export type PlanEvent = Post | Change | Fault;

export type EndpointPlan = {
  readonly application: number;
  readonly rateLimit: number | null;
  /** null: all. */
  readonly eventType: number | null;
  /** Comes into being by a change, later. */
  readonly isLate: boolean;
  readonly fifo: boolean;
  readonly poisonPolicy: PoisonPolicy;
};

/** All that happens to a run from outside. With its seed it is the run. */
export type Plan = {
  readonly seed: number;
  readonly nodes: number;
  readonly applications: number;
  readonly endpoints: readonly EndpointPlan[];
  readonly waitsSeconds: readonly number[];
  readonly windowRows: number;
  readonly laneConcurrency: number;
  readonly stormMs: number;
  readonly events: readonly PlanEvent[];
};

type FaultKind = Fault['kind'];

const kinds: readonly FaultKind[] = [
  'crash',
  'pause',
  'sleep',
  'cut',
  'drain',
  'wall',
  'database-clock',
  'database-restart',
  'weather',
  'receiver',
];
const moods: readonly Mood[] = [
  'slow',
  'failing',
  'flapping',
  'flapping',
  'throttling',
  'silent',
  'gone',
  'resetting',
];

const faultOf = (kind: FaultKind, chance: Chance, plan: Omit<Plan, 'events'>): Fault => {
  const atMs = between(chance, 500, plan.stormMs);
  const slot = whole(chance, plan.nodes);
  // Around the lease's length lies what is interesting.
  const ms = between(chance, 200, 5_000);
  switch (kind) {
    case 'crash': {
      const side = chance() < 0.5 ? 'before' : 'after';
      return { kind, atMs, slot, effects: whole(chance, 12), side, downMs: between(chance, 100, 4_000) };
    }
    case 'pause':
    case 'sleep':
    case 'cut':
      return { kind, atMs, slot, ms };
    case 'drain':
      return { kind, atMs, slot, graceMs: between(chance, 0, 2_000), downMs: between(chance, 50, 1_000) };
    case 'wall':
      return { kind, atMs, slot, byMs: between(chance, -3_600_000, 3_600_000) };
    case 'database-clock':
      return { kind, atMs, byMs: between(chance, -3_000, 6_000) };
    case 'database-restart':
      return { kind, atMs, ms: between(chance, 50, 1_500) };
    case 'weather':
      return {
        kind,
        atMs,
        ms: between(chance, 500, 4_000),
        slow: chance() * 0.3,
        canceled: chance() * 0.3,
        lost: chance() * 0.3,
      };
    case 'receiver': {
      const mood = pick(chance, moods);
      return {
        kind,
        atMs,
        ms: between(chance, 300, 4_000),
        endpoint: whole(chance, plan.endpoints.length),
        mood,
      };
    }
    default:
      return kind satisfies never;
  }
};

/** Each seed has a few kinds of faults, several of each: what they do together is not hidden by the rest. */
const faultsOf = (chance: Chance, plan: Omit<Plan, 'events'>): Fault[] => {
  const some = kinds.filter(() => chance() < 0.3);
  // A machine that sleeps while its wall clock is set back can know of neither.
  const chosen = some.includes('sleep') ? some.filter((kind) => kind !== 'wall') : some;
  const faults = chosen.flatMap((kind) =>
    Array.from({ length: 1 + whole(chance, kind === 'receiver' ? 4 : 3) }, () => faultOf(kind, chance, plan)),
  );
  if (chance() > 0.1) return faults;
  // A rolling restart.
  const graceMs = between(chance, 0, 1_500);
  const startMs = between(chance, 500, plan.stormMs / 2);
  return [
    ...faults,
    ...Array.from({ length: plan.nodes }, (_, slot): Fault => {
      const atMs = startMs + slot * between(chance, 300, 2_500);
      return { kind: 'drain', atMs, slot, graceMs, downMs: 200 };
    }),
  ];
};

const changesOf = (chance: Chance, plan: Omit<Plan, 'events'>): Change[] => {
  const late = plan.endpoints.flatMap((endpoint, index): Change[] => {
    if (!endpoint.isLate) return [];
    const atMs = between(chance, 500, plan.stormMs);
    return [{ kind: 'change', atMs, slot: whole(chance, plan.nodes), endpoint: index, to: 'created' }];
  });
  if (chance() < 0.3) return late;
  const others = Array.from({ length: 1 + whole(chance, 5) }, (): Change => {
    const to = pick(chance, ['disabled', 'disabled', 'enabled', 'moved', 'moved', 'deleted'] as const);
    const atMs = between(chance, 300, plan.stormMs);
    const endpoint = whole(chance, plan.endpoints.length);
    return { kind: 'change', atMs, slot: whole(chance, plan.nodes), endpoint, to };
  });
  return [...late, ...others];
};

const postsOf = (chance: Chance, plan: Omit<Plan, 'events'>): Post[] => {
  const count = 8 + whole(chance, 24);
  const posts: Post[] = [];
  let atMs = between(chance, 0, 400);
  while (posts.length < count) {
    const burst = chance() < 0.15 ? 6 : 1;
    const slot = whole(chance, plan.nodes);
    const application = whole(chance, plan.applications);
    for (let i = 0; i < burst; i++) {
      posts.push({
        kind: 'post',
        atMs,
        index: posts.length,
        slot,
        application,
        eventType: whole(chance, 2),
        identity: pick(chance, ['key', 'key', 'event', 'both', 'none']),
        twin: chance() < 0.1,
        bytes: 1 + whole(chance, 400),
        priority: CLASSES[posts.length % CLASSES.length]!,
        orderingKey: null,
      });
    }
    atMs += between(chance, 0, (2 * plan.stormMs) / count);
  }
  return posts;
};

/** Posts shortly after changes, at any node: who hears of a change late is met then. */
const followersOf = (
  chance: Chance,
  plan: Omit<Plan, 'events'>,
  changes: readonly Change[],
  from: number,
): Post[] =>
  changes
    .filter(() => chance() < 0.6)
    .map((change, index) => ({
      kind: 'post',
      atMs: change.atMs + between(chance, 5, 600),
      index: from + index,
      slot: whole(chance, plan.nodes),
      application: plan.endpoints[change.endpoint]!.application,
      eventType: whole(chance, 2),
      identity: 'key',
      twin: false,
      bytes: 20,
      priority: null,
      orderingKey: null,
    }));

/** Half of the seeds have endpoints and messages with an order, from a stream of chance of their own. */
const withOrder = (chance: Chance, plan: Plan): Plan => {
  if (chance() < 0.5) return plan;
  const keys = whole(chance, 3);
  return {
    ...plan,
    // Or hardly any delivery would ever be given up, and block those behind it.
    waitsSeconds: chance() < 0.5 ? plan.waitsSeconds : plan.waitsSeconds.slice(0, 1),
    endpoints: plan.endpoints.map((endpoint) => ({
      ...endpoint,
      fifo: chance() < 0.4,
      poisonPolicy: chance() < 0.5 ? 'block' : 'skip',
    })),
    events: plan.events.map((event) =>
      event.kind === 'post' && keys > 0 && chance() < 0.8
        ? { ...event, orderingKey: whole(chance, keys) }
        : event,
    ),
  };
};

/** What a seed stands for. */
export const planOf = (seed: number): Plan => {
  const chance = createStreams(seed)('plan');
  const nodes = chance() < 0.1 ? 1 : chance() < 0.6 ? 2 : 3;
  const applications = 1 + whole(chance, 2);
  const endpoints = Array.from({ length: 2 + whole(chance, 4) }, (_, index): EndpointPlan => {
    const rateLimit = chance() < 0.25 ? 1 + whole(chance, 4) : null;
    return {
      application: index % applications,
      rateLimit,
      eventType: chance() < 0.2 ? whole(chance, 2) : null,
      isLate: index >= applications && chance() < 0.15,
      fifo: false,
      poisonPolicy: 'skip',
    };
  });
  const quiet: Omit<Plan, 'events'> = {
    seed,
    nodes,
    applications,
    endpoints,
    waitsSeconds: Array.from({ length: 2 + whole(chance, 4) }, () => between(chance, 0.1, 2)),
    windowRows: pick(chance, [2, 4, 50]),
    laneConcurrency: pick(chance, [1, 2, 10]),
    stormMs: between(chance, 2_500, 8_000),
  };
  const changes = changesOf(chance, quiet);
  const posts = postsOf(chance, quiet);
  const followers = followersOf(chance, quiet, changes, posts.length);
  const events = [...posts, ...followers, ...changes, ...faultsOf(chance, quiet)];
  const plan = { ...quiet, events: events.sort((a, b) => a.atMs - b.atMs) };
  return withOrder(createStreams(seed)('order'), plan);
};
