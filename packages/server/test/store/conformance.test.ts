import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Statements } from '../../src/store/index.ts';
import { useTestDatabase } from '../postgres.ts';
import type { Engine } from './engine.ts';
import { createModelEngine, createPostgresEngine } from './engine.ts';
import { alone, endingsOf, findInAll, follow, mutated } from './schedules.ts';
import type { Step, Turn } from './step.ts';
import { schedule } from './step.ts';

const database = useTestDatabase();
const startMs = Date.now();
const seed = Number(process.env['POSTHORN_TEST_SEED'] ?? startMs % 1_000_000_007);
const runs = Number(process.env['POSTHORN_TEST_RUNS'] ?? 20);

let model: Engine;
let postgres: Engine;
beforeAll(async () => {
  model = createModelEngine(startMs);
  postgres = await createPostgresEngine(database.url, startMs);
});
afterAll(async () => {
  await postgres.close();
});

const item = {
  endpoints: [0, 1, 2],
  hold: true,
  event: null,
  key: null,
  hash: 0,
  stale: false,
  unfoldedBy: null,
} as const;
const accept = (more: Partial<Extract<Step, { op: 'accept' }>> = {}): Step => ({
  op: 'accept',
  node: 0,
  items: [item],
  replyLost: false,
  ...more,
});

/** Node 0 owns all, then node 1 takes some; deliveries are held, waiting, retried, of lost replies, of old tokens. */
const prepared: readonly Turn[] = [
  alone({ op: 'heartbeat', node: 0, take: 4, seize: false }),
  alone(accept()),
  alone(accept({ items: [{ ...item, hold: false, event: 0, key: 0 }] })),
  alone(accept({ replyLost: true })),
  alone(accept({ items: [{ ...item, hold: false, unfoldedBy: 0 }] })),
  alone({
    op: 'settle',
    node: 0,
    picks: [
      { pick: 7, verdict: 'later' },
      { pick: 6, verdict: 'dead' },
    ],
  }),
  alone(
    accept({
      items: [
        { ...item, hold: false, deliver: 'later', expires: 'past' },
        { ...item, hold: false, expires: 'past' },
        { ...item, expires: 'past' },
      ],
    }),
  ),
  alone({ op: 'deal', node: 1, share: 4, limit: 10, isHeld: false }),
  alone({ op: 'deal', node: 0, share: 3, limit: 10, isHeld: true }),
  alone({ op: 'readLanes' }),
];
const lookedAt = alone({ op: 'readLanes' });
const three = [0, 1, 2];

/** What the pairs of operations meet. */
const situations: Readonly<Record<string, readonly Turn[]>> = {
  'one node owns all': prepared,
  'another node has taken some': [
    ...prepared,
    alone({ op: 'expireLeases' }),
    alone({ op: 'heartbeat', node: 1, take: 2, seize: false }),
  ],
  'the node has come back under a new epoch': [
    alone({ op: 'heartbeat', node: 0, take: 4, seize: false }),
    alone(accept()),
    alone({ op: 'release', node: 0, drain: true }),
    alone({ op: 'heartbeat', node: 0, take: 4, seize: false }),
    lookedAt,
  ],
  'a node has lapsed and come back, another has gone': [
    alone({ op: 'heartbeat', node: 0, take: 2, seize: false }),
    alone({ op: 'heartbeat', node: 1, take: 1, seize: false }),
    alone({ op: 'expireLeases' }),
    alone({ op: 'heartbeat', node: 0, take: 0, seize: false }),
    alone(accept()),
  ],
  'of every class something waits': [
    alone({ op: 'heartbeat', node: 0, take: 4, seize: false }),
    alone(
      accept({
        items: ([2, 1, 0] as const).flatMap((priority) => [
          { ...item, hold: false, priority },
          { ...item, hold: false, priority, unfoldedBy: 0 },
        ]),
      }),
    ),
    lookedAt,
  ],
  'nothing is due': [
    alone({ op: 'heartbeat', node: 0, take: 4, seize: false }),
    alone(accept({ items: [{ ...item, hold: false, unfoldedBy: 0, deliver: 'later' }] })),
    alone(accept()),
    alone({ op: 'settle', node: 0, picks: three.map((pick) => ({ pick, verdict: 'later' })) }),
    lookedAt,
  ],
};

/** Every one of these meets every other. */
const contenders: readonly Step[] = [
  accept({ items: [{ ...item, event: 1, key: 1 }] }),
  accept({ node: 1, items: [{ ...item, hold: false, event: 1, key: 1, hash: 1 }] }),
  { op: 'settle', node: 0, picks: three.map((pick) => ({ pick, verdict: 'succeeded' })) },
  { op: 'settle', node: 0, picks: three.map((pick) => ({ pick, verdict: 'later' })) },
  { op: 'poll', node: 0 },
  { op: 'unfold', node: 0 },
  { op: 'takeOver', node: 1 },
  { op: 'sweep' },
  { op: 'handBack', node: 0, picks: three },
  { op: 'release', node: 0, drain: true },
  { op: 'raise' },
  { op: 'saveLane', node: 0, endpoint: 1, blocked: true },
  { op: 'deal', node: 0, share: 8, limit: 10, isHeld: true },
  { op: 'deal', node: 1, share: 8, limit: 10, isHeld: true },
];
/** These only run alone, and in the random schedules. */
const others: readonly Step[] = [
  accept({ items: [{ ...item, stale: true }] }),
  accept({ items: [{ ...item, stale: true, unfoldedBy: 1 }] }),
  accept({ items: [{ ...item, hold: false }] }),
  accept({ items: [{ ...item, event: 1, key: 1, unfoldedBy: 1 }] }),
  { op: 'saveLane', node: 1, endpoint: 1, blocked: true },
  { op: 'saveLane', node: 0, endpoint: 1, blocked: true, stale: true },
  { op: 'recall', key: 1, hash: 0 },
  { op: 'recall', key: 1, hash: 1 },
  { op: 'unfold', node: 1 },
  { op: 'unfold', node: 0, classes: [0] },
  { op: 'poll', node: 0, upto: 0 },
  { op: 'poll', node: 0, limit: 1 },
  accept({ items: [{ ...item, hold: false, deliver: 'later', expires: 'later' }] }),
  { op: 'expire' },
  { op: 'poll', node: 1 },
  { op: 'takeOver', node: 0 },
  { op: 'heartbeat', node: 1, take: 4, seize: false },
  { op: 'reconcile', node: 0 },
  { op: 'repair' },
  { op: 'manual', pick: 1, succeeded: true },
  { op: 'close', node: 0, endpoint: 1 },
  { op: 'close', node: 1, endpoint: 0 },
  { op: 'cluster' },
  { op: 'deal', node: 0, share: 2, limit: 6, isHeld: false },
  { op: 'release', node: 0, drain: true, only: [1] },
  { op: 'release', node: 0, drain: false, only: [0, 1], stale: true },
];

const endings = endingsOf(contenders, others);

describe('the store on PostgreSQL does what its model does', () => {
  it(`in ${runs} random schedules (seed ${seed})`, { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(schedule(24), (turns) => follow([postgres, model], startMs, turns)),
      { seed, numRuns: runs, endOnFailure: true },
    );
  });

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
  'settle is not fenced': mutated('settle', [' and l.node = $1::uuid and l.epoch = s.epoch', '']),
  'settle is fenced by the node alone': mutated('settle', [' and l.epoch = s.epoch', '']),
  'a lane is closed by who does not own it': mutated('closeLane', [
    ' and p.node = $4::uuid',
    ' and $4::uuid is not null',
  ]),
  'a lane is closed over the attempts of its owner before': mutated('closeLane', [
    ' and epoch = (select epoch from owned)',
    '',
  ]),
  'acceptance is not fenced': mutated('insertMessages', [' and p.epoch = t.epoch and p.node = $1::uuid', '']),
  'acceptance of waiting work leaves the lane as it is': mutated('insertMessages', [
    'where endpoint_id = any(array(select endpoint_id from d',
    'where false and endpoint_id = any(array(select endpoint_id from d',
  ]),
  'acceptance trusts the hint that its snapshot shows': mutated('insertMessages', [
    'where endpoint_id = any(array(select endpoint_id from d',
    'where next_due > statement_timestamp() and endpoint_id = any(array(select endpoint_id from d',
  ]),
  'a hint is raised without looking at its version': mutated('raiseHints', [
    ' and version = ($2::int8[])[array_position($1::text[], endpoint_id)]',
    ' and $2::int8[] is not null',
  ]),
  'a running lease is taken': mutated('heartbeat', [
    '(node is null or lease_until < clock_timestamp() or $5)',
    '($5 or true)',
  ]),
  'a renewal takes what is no longer mine': mutated('heartbeat', [
    'where node = $1::uuid\n  returning id',
    'where node is not null and $1::uuid is not null\n  returning id',
  ]),
  'a lapse does not show': mutated('heartbeat', [
    'case when node.until < clock_timestamp() then clock_timestamp() else node.joined_at end',
    'node.joined_at',
  ]),
  'a node that has gone counts': mutated('cluster', ['n.until > clock_timestamp()', 'true']),
  'what an ended lease holds is not free': mutated('cluster', [' or lease_until < clock_timestamp()', '']),
  'a release gives up a later tenure': mutated('release', [
    'and p.id = t.partition and p.epoch = t.epoch',
    'and p.id = t.partition',
  ]),
  'a release forgets what drains': mutated('release', ['from freed where $4 > 0', 'from freed where false']),
  'take-over frees rows that drain': mutated('takeOver', ['d.deadline > clock_timestamp()', 'false']),
  'the sweep frees rows of the current token': mutated('sweep', [
    'and not (p.node is not null and p.epoch = t.epoch)',
    '',
  ]),
  'the sweep finds nothing': mutated('sweep', ['where true', 'where false']),
  'the configuration is not compared': mutated('insertMessages', ['where fresh\n', 'where true\n']),
  'a poll waits for locked rows': mutated('poll', ['for update skip locked', 'for update']),
  'a poll takes what it does not own': mutated('poll', [' and node = $1::uuid', ' and $1::uuid is not null']),
  'a poll skips what committed late': mutated('poll', [
    'and due_at <= statement_timestamp()',
    "and due_at <= statement_timestamp() and due_at >= coalesce((select max(held_at) from live where state = 'held'), due_at)",
  ]),
  'a poll brings what is less urgent than asked for': mutated('poll', [
    'and c.priority <= t.upto',
    'and 0 <= t.upto',
  ]),
  'a poll begins with what is least urgent': mutated('poll', [
    '(values (0::int2), (1::int2), (2::int2))',
    '(values (2::int2), (1::int2), (0::int2))',
  ]),
  'unfolding does not go by class': mutated('unfold', [
    'where x.priority = c.priority',
    'where x.priority >= 0 and c.priority >= 0',
  ]),
  'unfolding is not fenced': mutated('unfold', [' and p.node = $1::uuid', ' and $1::uuid is not null']),
  'unfolding forgets its place': mutated('unfold', ['set unfolded = t.unfolded + $2,', 'set']),
  'unfolding leaves its lanes as they are': mutated('unfold', [
    'where endpoint_id = any(array(select endpoint_id from written',
    'where false and endpoint_id = any(array(select endpoint_id from written',
  ]),
  'an expansion is not written': mutated('insertFurther', [
    'where (msg_id in (select id from inserted)) is true\n)\nselect',
    'where false\n)\nselect',
  ]),
  'an expansion is written for what was not inserted': mutated('insertFurther', [
    'where (msg_id in (select id from inserted)) is true\n)\nselect',
    'where true\n)\nselect',
  ]),
  'what is unfolded is due at once': mutated('unfold', ['coalesce(t.deliver_at, ', 'coalesce(null, ']),
  'what has expired is sent': mutated('poll', [
    'coalesce(w.expires_at <= statement_timestamp(), false)',
    'coalesce(w.expires_at <= statement_timestamp() and false, false)',
  ]),
  'what is held is canceled': mutated('cancelExpired', ["state = 'waiting' and", 'true and']),
  'what is scheduled is due at once': mutated('insertMessages', [
    'coalesce(due_at, statement_timestamp())',
    'statement_timestamp()',
  ]),
  'the hint of scheduled work is too late': mutated('insertMessages', [
    'coalesce(($34::timestamptz[])',
    "coalesce(interval '1 day' + ($34::timestamptz[])",
  ]),
  'shares are dealt by what a statement saw when it began': mutated('dealShares', [
    'left join jsonb_each(s.claims) c',
    'left join jsonb_each((select o.claims from application_share o where o.app_id = s.app_id)) c',
  ]),
  'shares of others do not count': mutated('dealShares', [
    ' - coalesce(sum((c.value',
    ' - 0 * coalesce(sum((c.value',
  ]),
  'shares that have ended count': mutated('dealShares', [
    "and (c.value->>'until')::float8 > extract(epoch from clock_timestamp()) * 1000",
    '',
  ]),
  'what an owner before knows is written': mutated('saveLane', [' and exists (select from owned)', '']),
  'what an owner of an earlier tenure knows is written': mutated('saveLane', [
    'and epoch = $7 and node',
    'and $7::int8 is not null and node',
  ]),
  'nobody waits for what an owner writes': mutated('saveLane', [' for share', '']),
  'what former owners have in flight is forgotten': mutated('loadLanes', [
    'd.deadline > clock_timestamp() having',
    'false having',
  ]),
  'what is recalled is another request': mutated('explainConflicts', [
    'c.idem_hash is not distinct from t.idem_hash',
    'c.idem_hash is not null',
  ]),
  'idempotency keys are not written': mutated('insertMessages', [
    'idem_scope, idem_key, idem_hash,\n    priority\n  from m',
    'null, null, null,\n    priority\n  from m',
  ]),
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

  it('an accept whose reply was lost is taken for held in memory', { timeout: 120_000 }, async () => {
    const found = await findInAll([postgres, model], startMs, endings, Object.values(situations), {
      remembersLostAccepts: true,
    });
    expect(found).toContain('isKnown');
  });
});
