// What has an order, in schedules of its own: see conformance.test.ts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Statements } from '../../src/store/index.ts';
import { useTestDatabase } from '../postgres.ts';
import type { Engine } from './engine.ts';
import { createModelEngine, createPostgresEngine } from './engine.ts';
import { alone, endingsOf, findInAll, mutated } from './schedules.ts';
import type { Step, Turn } from './step.ts';

const database = useTestDatabase();
const startMs = Date.now();

let model: Engine;
let postgres: Engine;
beforeAll(async () => {
  model = createModelEngine(startMs);
  postgres = await createPostgresEngine(database.url, startMs);
});
afterAll(async () => {
  await postgres.close();
});

type Accept = Extract<Step, { op: 'accept' }>;
/** To an endpoint with keys that skips its dead, one that is stopped by them, and one that is fifo. */
const item = {
  endpoints: [0, 1, 3],
  hold: false,
  event: null,
  key: null,
  hash: 0,
  stale: false,
  unfoldedBy: null,
  order: 0,
} as const;
const accept = (items: Accept['items'], node = 0): Step => ({ op: 'accept', node, items, replyLost: false });
const pollOrdered = (
  node: number,
  by: 'name' | 'scan' | 'time' = 'name',
  most = 10,
  budgetBytes = 1_000,
): Step => ({
  op: 'pollOrdered',
  node,
  by,
  most,
  budgetBytes,
});
const settle = (verdict: 'succeeded' | 'dead' | 'soon' | 'later', picks: readonly number[]): Step => ({
  op: 'settle',
  node: 0,
  picks: picks.map((pick) => ({ pick, verdict })),
});
const owned = alone({ op: 'heartbeat', node: 0, take: 4, seize: false });
const lookedAt = alone({ op: 'readLanes' });

/** Deliveries are picked by how long ago they were accepted, the latest first: three of each message. */
const situations: Readonly<Record<string, readonly Turn[]>> = {
  'some are held, some have died, one is to be unfolded, one was scheduled': [
    owned,
    alone(accept([item, { ...item, order: 1 }, item])),
    alone(pollOrdered(0)),
    alone(
      accept([
        { ...item, unfoldedBy: 0 },
        { ...item, order: 1 },
        { ...item, deliver: 'past' },
      ]),
    ),
    alone(settle('dead', [14, 13])),
    alone(settle('succeeded', [11, 10])),
    lookedAt,
  ],
  'the owner has left what it holds behind': [
    owned,
    alone(accept([item, { ...item, order: 1, expires: 'past' }, item])),
    alone(pollOrdered(0)),
    alone({ op: 'release', node: 0, drain: true }),
    alone({ op: 'heartbeat', node: 1, take: 4, seize: false }),
    alone(accept([item], 1)),
    lookedAt,
  ],
  'the first ones were tried, have died, or have lost their payload': [
    owned,
    alone(accept([item, { ...item, order: 1 }, item])),
    alone(pollOrdered(0)),
    alone(settle('later', [8])),
    alone(settle('soon', [5])),
    alone(settle('dead', [7])),
    alone({ op: 'manual', pick: 7, succeeded: true }),
    alone(settle('succeeded', [6])),
    alone({ op: 'expunge', pick: 3 }),
    lookedAt,
  ],
};
const all = Array.from({ length: 15 }, (_, pick) => pick);

/** Every one of these meets every other. */
const contenders: readonly Step[] = [
  accept([item, { ...item, order: 1, unfoldedBy: 3 }]),
  accept([{ ...item, event: 1, key: 1 }, { ...item, event: 0 }, item], 1),
  pollOrdered(0),
  pollOrdered(1, 'scan'),
  settle('succeeded', all),
  settle('later', all),
  { op: 'unfold', node: 0 },
  { op: 'takeOver', node: 1 },
  { op: 'handBack', node: 0, picks: all },
  { op: 'expire' },
  { op: 'raise' },
];
const others: readonly Step[] = [
  pollOrdered(0, 'scan', 1),
  pollOrdered(0, 'scan'),
  pollOrdered(0, 'scan', 10, 1),
  pollOrdered(0, 'time'),
  { op: 'poll', node: 0 },
  settle('dead', all),
  { op: 'sweep' },
  { op: 'repair' },
  { op: 'manual', pick: 8, succeeded: true },
  { op: 'manual', pick: 7, succeeded: true },
  { op: 'close', node: 0, endpoint: 3 },
];
const endings = endingsOf(contenders, others);

describe('what has an order on PostgreSQL does what its model does', () => {
  it.each(Object.entries(situations))(
    'with every operation, and every two at once, one held open: %s',
    { timeout: 120_000 },
    async (_situation, before) => {
      expect(await findInAll([postgres, model], startMs, endings, [before])).toBeNull();
    },
  );
});

/** Bugs, each with the statements it changes; every one must be found. */
const bugs: Readonly<Record<string, Partial<Statements>>> = {
  'a poll takes what has an order': mutated(
    'poll',
    ['(2::int2)) as c(priority)', '(2::int2), (3::int2), (4::int2), (5::int2)) as c(priority)'],
    ['c.priority <= t.upto', 'c.priority <= t.upto + 3'],
  ),
  'an order is polled by who does not own it': mutated('pollOrdered', [
    ' and node = $1::uuid',
    ' and $1::uuid is not null',
  ]),
  'the newest of a key goes first': mutated('pollOrdered', [
    'order by seq limit 1',
    'order by seq desc limit 1',
  ]),
  'what waits for its time is gone past': mutated('pollOrdered', [
    "state = 'waiting' and seq is not null\n",
    "state = 'waiting' and seq is not null and due_at <= statement_timestamp()\n",
  ]),
  'a first one that is locked is gone past': mutated('pollOrdered', [
    'order by seq limit 1\n',
    'order by seq limit 1 for update skip locked\n',
  ]),
  'what is held of a key does not count': mutated('pollOrdered', [
    "and state = 'held' and seq",
    "and state = 'none' and seq",
  ]),
  'only what the owner holds of a key counts': mutated('pollOrdered', [
    "and state = 'held' and seq",
    "and state = 'held' and node = $1::uuid and seq",
  ]),
  'a dead letter does not block': mutated('pollOrdered', ["and blocks and letter = 'open'", 'and false']),
  'a letter that was dealt with blocks': mutated('pollOrdered', [
    "and blocks and letter = 'open'",
    'and blocks',
  ]),
  'more is taken than fits': mutated('pollOrdered', ['w.bytes_before < $8', '$8::int4 > 0']),
  'older messages are not waited for': mutated('pollOrdered', ['x.seq < h.seq', 'false']),
  'what was scheduled never gets its place': mutated('pollOrdered', ['and l.seq is null\n', 'and false\n']),
  'the next of what has expired is forgotten': mutated('pollOrdered', [
    'any(array(select endpoint_id from ended))',
    'any(array(select endpoint_id from ended where false))',
  ]),
  'places are drawn in the order of keys': mutated('insertFurther', [
    '(select seqs from places)[place]\n  from d',
    "case when place is not null then nextval('live_seq') end\n  from d",
  ]),
  'an unfolded delivery gets a new place': mutated('unfold', [
    'then t.seq end',
    "then nextval('live_seq') end",
  ]),
  'a dead letter blocks whatever the endpoint wants': mutated('settle', ["poison_policy = 'block'", 'true']),
  'a dead letter forgets its place': mutated('settle', [
    'statement_timestamp(), order_key, seq,',
    'statement_timestamp(), order_key, null,',
  ]),
  'the hint hides what was tried in an order': mutated('raiseHints', [
    'order by due_at limit 1))',
    'order by due_at limit 0))',
  ]),
  'an attempt by hand ends a turn and tells nobody': mutated('settleManual', [
    'where exists (select from ended where order_key is not null)',
    'where exists (select from ended where false)',
  ]),
  'an expired one ends its turn and tells nobody': mutated('cancelExpired', [
    'from ended where order_key is not null',
    'from ended where false',
  ]),
  'a repair does not look at orders': mutated(
    'repairHints',
    ['w.priority = 4', 'w.priority = 9'],
    ['w.priority = 3', 'w.priority = 9'],
    ['w.priority = 5', 'w.priority = 9'],
  ),
};

describe('the suite finds', () => {
  for (const [bug, replaced] of Object.entries(bugs)) {
    it(bug, { timeout: 120_000 }, async () => {
      const broken = await createPostgresEngine(database.url, startMs, replaced);
      try {
        expect(await findInAll([broken, model], startMs, endings, Object.values(situations))).not.toBeNull();
      } finally {
        await broken.close();
      }
    });
  }
});
