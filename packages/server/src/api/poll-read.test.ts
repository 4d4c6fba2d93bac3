import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createIdSource } from '../domain/ids.ts';
import { MOST_SEEN, positionAt, readPosition, writePosition } from './poll-position.ts';
import { readPoll } from './poll-read.ts';
import type { ApiDeps } from './port.ts';
import type { EndpointRecord, MessageRecord } from './records.ts';

/** A message: its id is drawn, then its transaction begins, then it commits or does not. Milliseconds. */
type Made = {
  readonly id: string;
  readonly begunMs: number;
  readonly endedMs: number;
  readonly commits: boolean;
  readonly eventType: string;
};

const START_MS = Date.parse('2026-01-01T00:00:00Z');
const path = { orgId: 'org_1', applicationId: 'app_1' };
const endpointOf = (channels: readonly string[] | null): EndpointRecord =>
  ({ ...path, id: 'ep_1', eventTypes: null, channels }) as unknown as EndpointRecord;

/** A store as it looks at a moment. */
const storeAt = (all: readonly Made[], nowMs: () => number): ApiDeps => {
  const isThere = (one: Made): boolean => one.commits && one.endedMs <= nowMs();
  const recordOf = ({ id, eventType }: Made): MessageRecord =>
    ({ id, eventType, channels: null, payload: { kind: 'omitted', bytes: 2 } }) as unknown as MessageRecord;
  const sorted = all.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return {
    store: {
      messages: {
        list: async (_path: unknown, { low }: { low: string }, _filter: unknown, limit: number) => ({
          rows: sorted
            .filter((one) => one.id > low && isThere(one))
            .slice(0, limit + 1)
            .map(recordOf),
          stoppedAt: null,
        }),
        byIds: async (_path: unknown, ids: readonly string[]) => ({
          known: new Map(sorted.filter(({ id }) => ids.includes(id)).map((one) => [one.id, recordOf(one)])),
          count: ids.length,
        }),
      },
      pollers: {
        oldestWriterMs: async () =>
          Math.min(
            nowMs(),
            ...all
              .filter(({ begunMs, endedMs }) => begunMs <= nowMs() && nowMs() < endedMs)
              .map(({ begunMs }) => begunMs),
          ),
      },
    },
  } as unknown as ApiDeps;
};

const world = fc.record({
  messages: fc.array(
    fc.record({
      drawnMs: fc.nat(120_000),
      waitsMs: fc.oneof(fc.nat(200), fc.nat(58_000)),
      runsMs: fc.oneof(fc.nat(50), fc.nat(200_000)),
      commits: fc.boolean().map((one) => one),
    }),
    { maxLength: 40 },
  ),
  polls: fc.array(fc.record({ afterMs: fc.nat(20_000), limit: fc.integer({ min: 1, max: 12 }) }), {
    minLength: 1,
    maxLength: 30,
  }),
});

const drain = async (
  deps: ApiDeps,
  startText: string,
  limit: number,
  take: (id: string) => void,
): Promise<string> => {
  let text = startText;
  for (;;) {
    const wish = { position: readPosition(text)!, limit, eventType: null, channel: null };
    const { messages, next, done } = await readPoll(deps, path, endpointOf(null), wish);
    for (const { id } of messages) take(id);
    text = writePosition(next);
    if (done) return text;
  }
};

describe('polling', () => {
  it('hands over every message once, however late it commits', async () => {
    await fc.assert(
      fc.asyncProperty(world, async ({ messages, polls }) => {
        const drawn = messages.toSorted((a, b) => a.drawnMs - b.drawnMs);
        let clockMs = START_MS;
        let unique = 0;
        const ids = createIdSource(
          () => clockMs,
          (count) => Uint8Array.from({ length: count }, (_, at) => (++unique * 37 + at * 11) % 256),
        );
        const all = drawn.map(({ drawnMs, waitsMs, runsMs, commits }): Made => {
          clockMs = START_MS + drawnMs;
          const begunMs = clockMs + waitsMs;
          return { id: ids('message'), begunMs, endedMs: begunMs + runsMs, commits, eventType: 'a' };
        });
        let nowMs = START_MS;
        const deps = storeAt(all, () => nowMs);
        const got: string[] = [];
        let text = writePosition(positionAt(START_MS - 1000));
        for (const { afterMs, limit } of polls) {
          nowMs += afterMs;
          const wish = { position: readPosition(text)!, limit, eventType: null, channel: null };
          const found = await readPoll(deps, path, endpointOf(null), wish);
          got.push(...found.messages.map(({ id }) => id));
          text = writePosition(found.next);
        }
        nowMs = START_MS + 1_000_000;
        text = await drain(deps, text, 7, (id) => got.push(id));
        const wanted = all.filter(({ commits }) => commits).map(({ id }) => id);
        expect(got.toSorted()).toEqual(wanted.toSorted());
        // With everything settled nothing is left to remember.
        expect(text).toHaveLength(27);
      }),
      { numRuns: 300 },
    );
  });

  it('remembers so much and no more: a faster stream waits for the mark, and loses nothing', async () => {
    let nowMs = START_MS + 10_000;
    const ids = createIdSource(
      () => nowMs,
      (count) => new Uint8Array(count),
    );
    const all = Array.from({ length: MOST_SEEN + 700 }, (): Made => {
      const at = nowMs;
      return { id: ids('message'), begunMs: at, endedMs: at, commits: true, eventType: 'a' };
    });
    const deps = storeAt(all, () => nowMs);
    const got: string[] = [];
    const text = await drain(deps, writePosition(positionAt(START_MS)), 250, (id) => got.push(id));
    expect(got).toHaveLength(MOST_SEEN);
    nowMs += 61_000;
    await drain(deps, text, 250, (id) => got.push(id));
    expect(got).toEqual(all.map(({ id }) => id));
  });

  it('gives nothing to an endpoint of other channels, and goes past it', async () => {
    const nowMs = START_MS + 100_000;
    const ids = createIdSource(
      () => START_MS + 1000,
      (count) => new Uint8Array(count),
    );
    const all = [{ id: ids('message'), begunMs: 0, endedMs: 0, commits: true, eventType: 'a' }];
    const wish = { position: positionAt(START_MS), limit: 5, eventType: null, channel: null };
    const found = await readPoll(
      storeAt(all, () => nowMs),
      path,
      endpointOf(['c']),
      wish,
    );
    expect([found.messages, found.done]).toEqual([[], true]);
    expect(found.next.mark > all[0]!.id).toBe(true);
  });

  it('reads no position out of what is none', () => {
    for (const text of ['', 'x', '-'.repeat(27), 'a'.repeat(28), 'a'.repeat(27 + 10 * (2 * MOST_SEEN + 1))]) {
      expect(readPosition(text)).toBeNull();
    }
    const position = { mark: `msg_${'a'.repeat(27)}`, seen: new Set(['0123456789', 'abcdefghij']) };
    expect(readPosition(writePosition(position))).toEqual(position);
  });
});
