// The session on a store whose messages appear out of order: ids are drawn before they are committed.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EndpointConfig } from '../domain/configuration.ts';
import { createIdSource } from '../domain/ids.ts';
import { MOST_SEEN, parseClientFrame, type ServerFrame } from './listen-protocol.ts';
import { createListenSession } from './listen-session.ts';
import type { MessageRecord } from './records.ts';

const START_MS = Date.parse('2026-05-01T12:00:00Z');
const path = { orgId: 'org_1', applicationId: 'app_1' };

const endpoint: EndpointConfig = {
  id: 'ep_1',
  ...path,
  partition: 0,
  url: 'https://example.com/',
  disabled: true,
  eventTypes: null,
  channels: null,
  keys: [],
  headers: [],
  rateLimit: null,
  paused: null,
  retryPolicy: null,
  fifo: false,
};

const messageOf = (id: string, eventType = 'a'): MessageRecord => ({
  id,
  eventType,
  eventId: null,
  channels: null,
  tags: null,
  contentType: 'application/json',
  payload: { kind: 'bytes', bytes: Buffer.from(id) },
  occurredAtMs: null,
  deliverAtMs: null,
  expiresAtMs: null,
  priority: 1,
  orderingKey: null,
  createdAtMs: START_MS,
});

/** A server whose clock and sleeps the test moves, and a client that can come again with what it has. */
const world = (change: Partial<EndpointConfig> = {}, eventTypes: readonly string[] | null = null) => {
  let nowMs = START_MS;
  let isAway = false;
  let current: EndpointConfig | null = { ...endpoint, ...change };
  const draw = createIdSource(
    () => nowMs,
    (count) => new Uint8Array(count).fill(7),
  );
  const committed: MessageRecord[] = [];
  const writers = new Set<number>();
  const sleeps = new Set<() => void>();
  const ends: string[] = [];
  const client = {
    mark: null as string | null,
    seen: new Set<string>(),
    got: [] as string[],
    frames: [] as ServerFrame[],
  };
  let session: ReturnType<typeof createListenSession> | null = null;
  let onEvent: 'confirm' | 'keep' = 'confirm';

  const hear = (frame: ServerFrame): void => {
    client.frames.push(frame);
    if (frame.kind === 'ready') {
      client.mark ??= frame.mark;
      session?.take({ kind: 'go', from: 'mark' });
    }
    if (frame.kind === 'mark') {
      client.mark = frame.mark;
      for (const id of client.seen) if (id <= frame.mark) client.seen.delete(id);
    }
    if (frame.kind === 'event' || frame.kind === 'gone') {
      if (onEvent === 'keep') return;
      client.got.push(frame.id);
      client.seen.add(frame.id);
      session?.take({ kind: 'done', id: frame.id });
    }
  };
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 60; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    client,
    ends,
    draw: () => draw('message'),
    keep: (what: typeof onEvent) => (onEvent = what),
    setEndpoint: (next: EndpointConfig | null) => (current = next),
    away: (is: boolean) => (isAway = is),
    commit: (message: MessageRecord) => {
      committed.push(message);
      committed.sort((a, b) => (a.id < b.id ? -1 : 1));
    },
    begin: (atMs: number) => writers.add(atMs),
    end: (atMs: number) => writers.delete(atMs),
    now: () => nowMs,
    session: () => session!,
    /** Lets so much time go by, in steps of a quarter of a second. */
    pass: async (ms: number) => {
      for (let left = ms; left > 0; left -= 250) {
        nowMs += Math.min(250, left);
        for (const wake of sleeps) wake();
        sleeps.clear();
        await settle();
      }
    },
    connect: async (sinceMs: number | null = null) => {
      session?.close();
      let isOpen = true;
      const mine = createListenSession(path, eventTypes, {
        clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
        messages: {
          list: async (_path, { low, high }, { eventTypes: types }, limit) => {
            if (isAway) throw Object.assign(new Error('away'), { name: 'StoreUnavailable' });
            const rows = committed.filter(
              ({ id, eventType }) => id > low && id < high && (types === null || types.includes(eventType)),
            );
            return { rows: rows.slice(0, limit + 1), stoppedAt: null };
          },
          find: async (_path, id) => committed.find((message) => message.id === id) ?? null,
        },
        endpoint: async () => current,
        oldestWriterMs: async () => Math.min(nowMs, ...writers),
        headersOf: () => [],
        sleep: () => new Promise((resolve) => sleeps.add(resolve)),
        report: () => {},
        send: (frame) => {
          if (isOpen) hear(frame);
        },
        end: (why) => ends.push(why),
      });
      session = {
        take: mine.take,
        close: () => {
          isOpen = false;
          mine.close();
        },
      };
      mine.take({ kind: 'resume', mark: client.mark, seen: [...client.seen], sinceMs });
      await settle();
    },
  };
};

describe('a listen session', () => {
  it('sends what comes after its start, in order, and moves the mark once it is settled', async () => {
    const { commit, draw, connect, pass, client } = world();
    commit(messageOf(draw()));
    await pass(250);
    await connect();
    const later = [draw(), draw(), draw()];
    for (const id of later) commit(messageOf(id));
    await pass(1_000);
    expect(client.got).toEqual(later);
    expect(client.seen.size).toBe(3);
    await pass(62_000);
    expect(client.seen.size).toBe(0);
    expect(client.mark! > later[2]!).toBe(true);
  });

  it('finds what commits late with a lower id, even behind a transaction of minutes', async () => {
    const { commit, draw, connect, pass, client, begin, end, now } = world();
    await connect();
    const late = draw();
    const veryLate = draw();
    const early = draw();
    const begun = now();
    begin(begun);
    commit(messageOf(early));
    await pass(30_000);
    commit(messageOf(late));
    await pass(300_000);
    commit(messageOf(veryLate));
    end(begun);
    await pass(2_000);
    expect(client.got).toEqual([early, late, veryLate]);
    await pass(62_000);
    expect(client.seen.size).toBe(0);
  });

  it('loses nothing and repeats nothing over any commits, breaks and ends of the server', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.record({ kind: fc.constant('draw' as const) }),
            fc.record({ kind: fc.constant('commit' as const), pick: fc.nat() }),
            fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 250, max: 40_000 }) }),
            fc.record({ kind: fc.constant('reconnect' as const) }),
            fc.record({ kind: fc.constant('away' as const), is: fc.boolean() }),
            fc.record({ kind: fc.constant('deaf' as const), is: fc.boolean() }),
          ),
          { maxLength: 40, size: 'max' },
        ),
        async (steps) => {
          const { commit, draw, connect, pass, client, away, now, keep } = world();
          await connect();
          const drawn: { id: string; atMs: number }[] = [];
          const expected: string[] = [];
          const commitOne = (index: number): void => {
            const [one] = drawn.splice(index, 1);
            // What waits for longer than a minute before its transaction begins is not promised.
            if (one === undefined || now() - one.atMs > 55_000) return;
            commit(messageOf(one.id));
            expected.push(one.id);
          };
          for (const step of steps) {
            if (step.kind === 'draw') drawn.push({ id: draw(), atMs: now() });
            else if (step.kind === 'commit') commitOne(drawn.length === 0 ? 0 : step.pick % drawn.length);
            else if (step.kind === 'pass') await pass(step.ms);
            else if (step.kind === 'away') away(step.is);
            else if (step.kind === 'deaf') keep(step.is ? 'keep' : 'confirm');
            else await connect();
          }
          while (drawn.length > 0) commitOne(0);
          away(false);
          keep('confirm');
          // What was sent to deaf ears is sent anew on a new line.
          await connect();
          await pass(3_000);
          expect(client.got.toSorted()).toEqual(expected.toSorted());
        },
      ),
      { numRuns: 150 },
    );
  });

  it('has so many under way at most, and goes on when they are confirmed', async () => {
    const { commit, draw, connect, pass, client, keep, session } = world();
    keep('keep');
    await connect();
    for (let count = 0; count < 20; count += 1) commit(messageOf(draw()));
    await pass(2_000);
    const events = () => client.frames.filter((frame) => frame.kind === 'event').map(({ id }) => id);
    expect(events()).toHaveLength(8);
    session().take({ kind: 'again', id: events()[0]! });
    await pass(250);
    expect(events()).toHaveLength(9);
    for (const id of events()) session().take({ kind: 'done', id });
    await pass(250);
    expect(new Set(events()).size).toBe(16);
  });

  it('sends no more than a client remembers, and all of it in the end', async () => {
    const { commit, draw, connect, pass, client } = world();
    await connect();
    for (let count = 0; count < MOST_SEEN + 200; count += 1) commit(messageOf(draw()));
    await pass(55_000);
    expect(client.got).toHaveLength(MOST_SEEN);
    await pass(30_000);
    expect(client.got).toHaveLength(MOST_SEEN + 200);
  });

  it('sees only what the endpoint subscribes to, and fewer types when asked', async () => {
    const { commit, draw, connect, pass, client } = world({ eventTypes: ['a', 'b'] }, ['b', 'c']);
    await connect();
    const wanted = draw();
    commit(messageOf(wanted, 'b'));
    for (const type of ['a', 'c', 'd']) commit(messageOf(draw(), type));
    await pass(1_000);
    expect(client.got).toEqual([wanted]);
  });

  it('counts what was missed, and begins in the past when asked', async () => {
    const { commit, draw, connect, pass, client } = world();
    const ids = [draw(), draw()];
    for (const id of ids) commit(messageOf(id));
    await pass(60_000);
    await connect(START_MS);
    expect(client.frames[0]).toMatchObject({ kind: 'ready', missed: 2, more: false });
    await pass(1_000);
    expect(client.got).toEqual(ids);
  });

  it('says that a payload is gone, and ends with its endpoint', async () => {
    const { commit, draw, connect, pass, client, setEndpoint, ends } = world();
    await connect();
    const id = draw();
    commit({ ...messageOf(id), payload: { kind: 'gone' } });
    await pass(1_000);
    expect(client.frames).toContainEqual({ kind: 'gone', id, eventType: 'a' });
    setEndpoint(null);
    await pass(1_000);
    expect(ends).toEqual(['endpoint_gone']);
  });
});

describe('frames of clients', () => {
  it.each([
    'x',
    'null',
    '[]',
    '{"kind":"other"}',
    '{"kind":"resume","mark":"ep_1","seen":[],"sinceMs":null}',
    '{"kind":"resume","mark":null,"seen":["msg_1\'"],"sinceMs":null}',
    '{"kind":"resume","mark":null,"seen":[],"sinceMs":"1"}',
    '{"kind":"go","from":"there"}',
    '{"kind":"done"}',
  ])('are refused: %s', (text) => {
    expect(parseClientFrame(text)).toBeNull();
  });

  it('name no more ids than a client remembers', () => {
    const frame = (count: number) => ({
      kind: 'resume',
      mark: null,
      seen: Array.from({ length: count }, () => 'msg_1'),
      sinceMs: null,
    });
    expect(parseClientFrame(JSON.stringify(frame(MOST_SEEN)))).toEqual(frame(MOST_SEEN));
    expect(parseClientFrame(JSON.stringify(frame(MOST_SEEN + 1)))).toBeNull();
  });
});
