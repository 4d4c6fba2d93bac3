import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSimTimers } from '../../test/dispatch/sim-timers.ts';
import { seeded } from '../../test/dispatch/world.ts';
import { createObserver } from './observer.ts';
import type { Settlement, SettleReply } from './port.ts';
import { createSettler } from './settler.ts';

const settlement = (id: number): Settlement =>
  ({
    delivery: { messageId: `msg_${id}` },
    attempt: { id: `atmpt_${id}`, report: { responseHeaders: [['x', 'bad']] } },
    verdict: { kind: 'succeeded' },
  }) as unknown as Settlement;

const idOf = (each: Settlement): string => each.attempt.id;

/** A store that refuses some records for good, some for their headers, and is away at times. */
const setUp = (faults: {
  readonly poison: Set<string>;
  readonly dirty: Set<string>;
  readonly away: () => boolean;
}) => {
  const timers = createSimTimers();
  const ends = new Map<string, string[]>();
  const batches: string[][] = [];
  const reported: string[] = [];
  let atOnce = 0;
  let most = 0;
  const settler = createSettler({
    node: 'n',
    timers,
    random: { float: seeded(1) },
    settings: { settleBatch: 10, settleBesideAt: 4 },
    observe: createObserver({ rejected: (each) => void reported.push(idOf(each)) }),
    onDoubt: () => false,
    onEnd: (each, outcome) => void ends.set(idOf(each), [...(ends.get(idOf(each)) ?? []), outcome]),
    store: {
      settle: async (_, batch): Promise<SettleReply> => {
        batches.push(batch.map(idOf));
        most = Math.max(most, ++atOnce);
        await new Promise<void>((resolve) => void timers.setTimeout(resolve, 3));
        atOnce--;
        if (faults.away()) return { kind: 'unavailable', detail: 'away' };
        const isRefused = batch.some(
          (each) =>
            faults.poison.has(idOf(each)) ||
            (faults.dirty.has(idOf(each)) && each.attempt.report.responseHeaders.length > 0),
        );
        if (isRefused) return { kind: 'rejected', detail: 'bad bytes' };
        return { kind: 'done', outcomes: batch.map(() => 'settled' as const) };
      },
    },
  });
  return { timers, settler, ends, batches, reported, most: () => most };
};

describe('settler', () => {
  it('sends what gathered while a statement was under way as one', async () => {
    const { timers, settler, batches } = setUp({ poison: new Set(), dirty: new Set(), away: () => false });
    settler.add(settlement(0));
    await timers.advance(1);
    for (let id = 1; id <= 3; id++) settler.add(settlement(id));
    await timers.advance(10);
    expect(batches).toEqual([['atmpt_0'], ['atmpt_1', 'atmpt_2', 'atmpt_3']]);
  });

  it('sends beside the one under way only a batch worth it', async () => {
    const { timers, settler, batches, most } = setUp({
      poison: new Set(),
      dirty: new Set(),
      away: () => false,
    });
    settler.add(settlement(0));
    await timers.advance(1);
    for (let id = 1; id <= 20; id++) settler.add(settlement(id));
    await timers.advance(20);
    expect(most()).toBe(2);
    expect(batches.map((batch) => batch.length)).toEqual([1, 10, 10]);
  });

  it('ends each settlement exactly once, whatever the store refuses and however often it is away', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.uniqueArray(fc.nat(59), { maxLength: 6 }),
        fc.uniqueArray(fc.nat(59), { maxLength: 6 }),
        fc.nat(),
        async (count, poisoned, soiled, seed) => {
          const chance = seeded(seed);
          let calls = 0;
          const poison = new Set(poisoned.map((id) => `atmpt_${id}`));
          const dirty = new Set(soiled.map((id) => `atmpt_${id}`));
          const world = setUp({ poison, dirty, away: () => calls++ < 40 && chance() < 0.4 });
          for (let id = 0; id < count; id++) {
            world.settler.add(settlement(id));
            if (chance() < 0.3) await world.timers.advance(chance() * 10);
          }
          let isIdle = false;
          void world.settler.whenIdle().then(() => {
            isIdle = true;
          });
          await world.timers.until(() => isIdle, 1_000_000);
          expect(world.settler.pending()).toBe(0);
          expect(world.ends.size).toBe(count);
          for (const [id, outcomes] of world.ends) {
            expect(outcomes).toEqual([poison.has(id) ? 'rejected' : 'settled']);
          }
          expect(world.most()).toBeLessThanOrEqual(2);
          expect(Math.max(...world.batches.map((batch) => batch.length))).toBeLessThanOrEqual(10);
          const guilty = new Set([...poison, ...dirty].filter((id) => world.ends.has(id)));
          expect(new Set(world.reported)).toEqual(guilty);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('spreads its tries while the store is away', async () => {
    const { timers, settler, batches } = setUp({ poison: new Set(), dirty: new Set(), away: () => true });
    settler.add(settlement(0));
    await timers.advance(60_000);
    expect(batches.length).toBeGreaterThan(25);
    expect(batches.length).toBeLessThan(75);
    settler.stop();
    const before = batches.length;
    await timers.advance(10_000);
    expect(batches).toHaveLength(before);
  });
});
