import { describe, expect, it } from 'vitest';
import type { Fault } from './history.ts';
import type { Point } from './points.ts';
import { seededRandom } from './seeded-random.ts';
import { withScenario } from './with-scenario.ts';

const load = { count: 8, pauseMs: 20 };
const seed = process.env['CRASH_SEED'] ?? String(Date.now() % 1_000_000);

const kills = (faults: readonly Fault[]): readonly Fault[] => faults.filter(({ kind }) => kind === 'kill');

/** What a kill at the point must leave behind, or the test did not hit it. */
const points: readonly {
  readonly point: Point;
  readonly count: number;
  readonly duplicates: number;
  readonly unknowns: number;
}[] = [
  { point: 'before-commit', count: 25, duplicates: 0, unknowns: 0 },
  { point: 'after-commit', count: 25, duplicates: 0, unknowns: 1 },
  { point: 'after-send', count: 60, duplicates: 1, unknowns: 1 },
  { point: 'before-settle', count: 25, duplicates: 1, unknowns: 1 },
  { point: 'after-settle', count: 25, duplicates: 0, unknowns: 0 },
  { point: 'after-poll', count: 3, duplicates: 0, unknowns: 1 },
];

describe.concurrent(`kill -9 under load (CRASH_SEED=${seed})`, () => {
  it.each(points)('at $point', { timeout: 120_000 }, async ({ point, count, duplicates, unknowns }) => {
    await withScenario(seed, async (scenario) => {
      const first = scenario.start({ dieAt: { point, count } });
      await first.ready;
      await scenario.setUp();
      const producer = scenario.produce(load);
      await scenario.died(first);
      const before = producer.acknowledgedAt().length;
      await scenario.start().ready;
      await producer.until('work after the kill', () => producer.acknowledgedAt().length > before + 50);
      const verdict = await scenario.conclude();
      expect(verdict.problems).toBe('');
      expect(verdict.duplicates).toBeGreaterThanOrEqual(duplicates);
      expect(verdict.unknowns).toBeGreaterThanOrEqual(unknowns);
    });
  });

  it('while requests are in flight', { timeout: 120_000 }, async () => {
    await withScenario(seed, async (scenario) => {
      const first = scenario.start();
      await first.ready;
      await scenario.setUp();
      const producer = scenario.produce(load);
      await producer.until('some work', () => producer.acknowledgedAt().length > 30);
      scenario.oracle.hold();
      await scenario.oracle.until('requests in flight', () => scenario.oracle.inFlight() >= 20);
      first.signal('SIGKILL');
      await scenario.died(first);
      scenario.oracle.release();
      await scenario.start().ready;
      const verdict = await scenario.conclude();
      expect(verdict.problems).toBe('');
      expect(verdict.unknowns).toBeGreaterThanOrEqual(10);
    });
  });

  it('again, in the middle of the takeover', { timeout: 120_000 }, async () => {
    await withScenario(seed, async (scenario) => {
      const first = scenario.start({ dieAt: { point: 'after-commit', count: 25 } });
      await first.ready;
      await scenario.setUp();
      scenario.produce(load);
      await scenario.died(first);
      const second = scenario.start({ dieAt: { point: 'after-takeover', count: 1 } });
      await scenario.died(second);
      await scenario.start().ready;
      const verdict = await scenario.conclude();
      expect(verdict.problems).toBe('');
      expect(kills(verdict.history.faults)).toHaveLength(2);
    });
  });

  it('at random moments, starts included', { timeout: 120_000 }, async () => {
    const random = seededRandom(seed);
    await withScenario(seed, async (scenario) => {
      let server = scenario.start();
      await server.ready;
      await scenario.setUp();
      const producer = scenario.produce(load);
      for (let kill = 0; kill < 5; kill++) {
        const isStarting = random() < 0.2;
        if (!isStarting) await server.ready;
        await random.pause(isStarting ? 800 : 3_000);
        server.signal('SIGKILL');
        await scenario.died(server);
        server = scenario.start();
      }
      await server.ready;
      const before = producer.acknowledgedAt().length;
      await producer.until('work after the last kill', () => producer.acknowledgedAt().length > before + 50);
      const verdict = await scenario.conclude();
      expect(verdict.problems).toBe('');
      expect(kills(verdict.history.faults)).toHaveLength(5);
    });
  });
});
