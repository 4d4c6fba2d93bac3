import { describe, expect, it } from 'vitest';
import { check, describeViolations, type Rule } from './check.ts';
import type { Fault, History, StoredAttempt, WireRequest } from './history.ts';

const options = { settleLagMs: 100, recoveryMs: 1_000 };

const request = (change: Partial<WireRequest> = {}): WireRequest => ({
  endpointId: 'ep_a',
  messageId: 'msg_1',
  sender: 1,
  bodySha256: 'aa',
  isSigned: true,
  arrivedMs: 1_000,
  endedMs: 1_010,
  answered: 200,
  ...change,
});

const attempt = (change: Partial<StoredAttempt> = {}): StoredAttempt => ({
  id: 'atmpt_1',
  messageId: 'msg_1',
  endpointId: 'ep_a',
  final: 'succeeded',
  responseStatus: 200,
  cause: null,
  endedMs: 1_010,
  ...change,
});

const unknown = attempt({
  id: 'atmpt_0',
  final: null,
  responseStatus: 0,
  cause: 'unknown',
  endedMs: 2_500,
});
const kill: Fault = { kind: 'kill', sender: 1, fromMs: 1_050, toMs: 2_000 };

type Change = Partial<Omit<History, 'database'>> & { readonly database?: Partial<History['database']> };

/** One message, one endpoint, delivered at the first try; changed as told. */
const history = ({ database, ...change }: Change = {}): History => ({
  postings: [{ eventId: 'e1', payloadSha256: 'aa', messageIds: ['msg_1'], end: 'acknowledged' }],
  requests: [request()],
  faults: [],
  endpointIds: ['ep_a'],
  ...change,
  database: {
    messages: [{ id: 'msg_1', eventId: 'e1', payloadSha256: 'aa' }],
    attempts: [attempt()],
    live: [],
    closed: [],
    ...database,
  },
});

const rulesOf = (changed: History): Rule[] =>
  [...new Set(check(changed, options).map(({ rule }) => rule))].sort();

describe('a history that keeps the promise', () => {
  it('has one request and one attempt for each delivery', () => {
    expect(check(history(), options)).toEqual([]);
  });

  it('may have retries after failures', () => {
    const failed = request({ arrivedMs: 500, endedMs: 510, answered: 500 });
    const first = attempt({ id: 'atmpt_0', final: null, responseStatus: 500, cause: 'http_500' });
    expect(
      check(history({ requests: [request(), failed], database: { attempts: [first, attempt()] } }), options),
    ).toEqual([]);
  });

  it('may have a second request where a kill hit the first, under an unknown attempt', () => {
    const again = request({ arrivedMs: 2_600, endedMs: 2_610 });
    const changed = history({
      requests: [request(), again],
      faults: [kill],
      database: { attempts: [unknown, attempt()] },
    });
    expect(check(changed, options)).toEqual([]);
  });

  it('may have a request that was read after its sender was killed', () => {
    const [late, again] = [
      request({ arrivedMs: 2_100, endedMs: 2_110 }),
      request({ arrivedMs: 2_600, sender: 2 }),
    ];
    const database = { attempts: [unknown, attempt()] };
    expect(check(history({ requests: [late, again], faults: [kill], database }), options)).toEqual([]);
  });

  it('may have a second request where the first fell into an outage', () => {
    const outage: Fault = { kind: 'database away', sender: null, fromMs: 1_005, toMs: 2_000 };
    const again = request({ arrivedMs: 2_600, endedMs: 2_610 });
    const database = { attempts: [unknown, attempt()] };
    expect(check(history({ requests: [request(), again], faults: [outage], database }), options)).toEqual([]);
  });

  it('may have an unknown attempt for what was never sent', () => {
    expect(check(history({ faults: [kill], database: { attempts: [unknown, attempt()] } }), options)).toEqual(
      [],
    );
  });

  it('may have refused events that are not stored, and open ones that are stored once or not', () => {
    const changed = history({
      postings: [
        ...history().postings,
        { eventId: 'e2', payloadSha256: 'bb', messageIds: [], end: 'refused' },
        { eventId: 'e3', payloadSha256: 'cc', messageIds: [], end: 'unknown' },
      ],
    });
    expect(check(changed, options)).toEqual([]);
  });

  it('may have dead letters for what nobody acknowledged', () => {
    const changed = history({
      postings: [{ eventId: 'e1', payloadSha256: 'aa', messageIds: [], end: 'unknown' }],
      requests: [request({ answered: 500 })],
      database: {
        attempts: [attempt({ final: 'dead', responseStatus: 500, cause: 'http_500' })],
        closed: [{ messageId: 'msg_1', endpointId: 'ep_a' }],
      },
    });
    expect(check(changed, options)).toEqual([]);
  });
});

const [posting] = history().postings;
const planted: readonly (readonly [string, readonly Rule[], History])[] = [
  [
    'an acknowledged message is not stored',
    ['lost', 'phantom'],
    history({ database: { messages: [], attempts: [] } }),
  ],
  [
    'an acknowledged message has another id than told',
    ['lost'],
    history({ postings: [{ ...posting!, messageIds: ['msg_0'] }] }),
  ],
  [
    'a delivery never succeeded',
    ['undelivered'],
    history({
      requests: [request({ answered: null })],
      database: { attempts: [attempt({ responseStatus: 0 })] },
    }),
  ],
  [
    'a delivery never left',
    ['undelivered'],
    history({ requests: [], database: { attempts: [attempt({ responseStatus: 0 })] } }),
  ],
  [
    'one of two endpoints got nothing and nothing is open',
    ['ends', 'undelivered'],
    history({ endpointIds: ['ep_a', 'ep_b'] }),
  ],
  [
    'a delivery that is dead was acknowledged',
    ['undelivered'],
    history({
      requests: [request({ answered: 500 })],
      database: {
        attempts: [attempt({ final: 'dead', responseStatus: 500 })],
        closed: [{ messageId: 'msg_1', endpointId: 'ep_a' }],
      },
    }),
  ],
  [
    'one event was answered with two ids',
    ['doubled', 'lost'],
    history({ postings: [{ ...posting!, messageIds: ['msg_1', 'msg_2'] }] }),
  ],
  [
    'one event was stored twice',
    ['doubled', 'ends', 'undelivered'],
    history({
      database: {
        messages: [...history().database.messages, { id: 'msg_2', eventId: 'e1', payloadSha256: 'aa' }],
      },
    }),
  ],
  ['a refused event is stored', ['uninvited'], history({ postings: [{ ...posting!, end: 'refused' }] })],
  ['a message that nobody posted is stored', ['altered', 'uninvited'], history({ postings: [] })],
  [
    'a request came for a message that is not stored',
    ['phantom'],
    history({ requests: [request(), request({ messageId: 'msg_9' })] }),
  ],
  ['a signature does not verify', ['unsigned'], history({ requests: [request({ isSigned: false })] })],
  ['other bytes were sent', ['altered'], history({ requests: [request({ bodySha256: 'bb' })] })],
  [
    'other bytes were stored',
    ['altered'],
    history({ database: { messages: [{ id: 'msg_1', eventId: 'e1', payloadSha256: 'bb' }] } }),
  ],
  [
    'a success was followed by another request, without a fault',
    ['duplicate'],
    history({
      requests: [request(), request({ arrivedMs: 3_000, endedMs: 3_010 })],
      database: { attempts: [attempt({ id: 'atmpt_0', final: null }), attempt()] },
    }),
  ],
  [
    'a success was followed by another request, settled long before the fault',
    ['duplicate'],
    history({
      requests: [request(), request({ arrivedMs: 3_000, endedMs: 3_010 })],
      faults: [{ ...kill, fromMs: 1_200 }],
      database: { attempts: [unknown, attempt()] },
    }),
  ],
  [
    'a second request came before the fault',
    ['duplicate'],
    history({
      requests: [request(), request({ arrivedMs: 1_020, endedMs: 1_030 })],
      faults: [kill],
      database: { attempts: [unknown, attempt()] },
    }),
  ],
  [
    'a success was followed by another request, and the fault was done to another process',
    ['duplicate'],
    history({
      requests: [request({ sender: 2 }), request({ arrivedMs: 2_600, endedMs: 2_610 })],
      faults: [kill],
      database: { attempts: [unknown, attempt()] },
    }),
  ],
  [
    'a success was followed by another request, both after the outage',
    ['duplicate'],
    history({
      requests: [
        request({ arrivedMs: 2_100, endedMs: 2_110 }),
        request({ arrivedMs: 2_600, endedMs: 2_610 }),
      ],
      faults: [{ ...kill, sender: null }],
      database: { attempts: [unknown, attempt()] },
    }),
  ],
  [
    'two requests of one delivery were in flight together',
    ['duplicate'],
    history({
      requests: [request({ answered: 500, endedMs: 1_100 }), request({ arrivedMs: 1_050, endedMs: 1_060 })],
      database: { attempts: [attempt({ id: 'atmpt_0', final: null, responseStatus: 500 }), attempt()] },
    }),
  ],
  [
    'a request is in no attempt',
    ['uncovered'],
    history({ requests: [request(), request({ arrivedMs: 2_600, endedMs: 2_610 })], faults: [kill] }),
  ],
  [
    'an answer is in no attempt, another attempt stands in its place',
    ['invented', 'uncovered'],
    history({
      requests: [request({ answered: 500 }), request({ arrivedMs: 2_000 })],
      database: { attempts: [attempt({ id: 'atmpt_0', final: null }), attempt()] },
    }),
  ],
  [
    'an attempt tells of an answer that nobody gave',
    ['invented'],
    history({ database: { attempts: [attempt({ id: 'atmpt_0', final: null }), attempt()] } }),
  ],
  [
    'an attempt is unknown without a fault',
    ['unexplained'],
    history({ database: { attempts: [unknown, attempt()] } }),
  ],
  [
    'an attempt is unknown long after the fault',
    ['unexplained'],
    history({ faults: [kill], database: { attempts: [{ ...unknown, endedMs: 9_000 }, attempt()] } }),
  ],
  [
    'a delivery is still open',
    ['open'],
    history({ database: { live: [{ messageId: 'msg_1', endpointId: 'ep_a', state: 'held' }] } }),
  ],
  ['a delivery has no end', ['ends'], history({ database: { attempts: [attempt({ final: null })] } })],
  [
    'a delivery has two ends',
    ['ends', 'invented'],
    history({ database: { attempts: [attempt(), attempt({ id: 'atmpt_2' })] } }),
  ],
  [
    'a delivery succeeded and is closed',
    ['ends'],
    history({ database: { closed: [{ messageId: 'msg_1', endpointId: 'ep_a' }] } }),
  ],
  [
    'an attempt came after the end',
    ['ends'],
    history({ faults: [kill], database: { attempts: [attempt(), { ...unknown, id: 'atmpt_2' }] } }),
  ],
];

describe('the checker finds that', () => {
  it.each(planted)('%s', (_name, rules, changed) => {
    expect(rulesOf(changed)).toEqual(rules);
  });

  it('each of its rules is planted here', () => {
    const all = {
      lost: 0,
      undelivered: 0,
      doubled: 0,
      uninvited: 0,
      phantom: 0,
      unsigned: 0,
      altered: 0,
      duplicate: 0,
      uncovered: 0,
      invented: 0,
      unexplained: 0,
      open: 0,
      ends: 0,
    } satisfies Record<Rule, number>;
    expect([...new Set(planted.flatMap(([, rules]) => rules))].sort()).toEqual(Object.keys(all).sort());
  });
});

describe('the description', () => {
  it('shows a few of each rule and how many there are', () => {
    const violations = [1, 2, 3].map((n) => ({ rule: 'open' as const, detail: `row ${n}` }));
    expect(describeViolations(violations, 2)).toBe('open (3):\n  row 1\n  row 2\n  and 1 more');
  });
});
