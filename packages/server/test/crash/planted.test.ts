import { describe, expect, it } from 'vitest';
import { withProxy, withScenario } from './with-scenario.ts';
import { runZombie } from './zombie.ts';

const seed = 'planted';
const load = { count: 8, pauseMs: 20 };
const DRAIN_MS = 3_000;

describe.concurrent('on the real server the checker finds', () => {
  it('a 202 before the commit', { timeout: 120_000 }, async () => {
    await withProxy(seed, async (scenario, proxy) => {
      await scenario.start({ plant: 'ack-before-commit' }).ready;
      await scenario.setUp();
      const producer = scenario.produce(load);
      await producer.until('some work', () => producer.acknowledgedAt().length > 50);
      for (let cuts = 0; cuts < 5; cuts++) await proxy.cut('insert_messages', 'before');
      const verdict = await scenario.conclude(DRAIN_MS);
      expect([...verdict.rules]).toContain('lost');
    });
  });

  it('a settle that is not sent', { timeout: 120_000 }, async () => {
    await withScenario(seed, async (scenario) => {
      await scenario.start({ plant: 'settle-forgotten' }).ready;
      await scenario.setUp();
      const producer = scenario.produce(load);
      await producer.until('some work', () => producer.acknowledgedAt().length > 100);
      const verdict = await scenario.conclude(DRAIN_MS);
      expect([...verdict.rules]).toEqual(expect.arrayContaining(['open', 'uncovered']));
    });
  });

  // The zombie must wake with results in hand, which the machine's load decides: three tries to be found.
  it('a settle without a fence', { timeout: 120_000, retry: 2 }, async () => {
    await withScenario(seed, async (scenario) => {
      await runZombie(scenario, 'settle-unfenced');
      const verdict = await scenario.conclude(DRAIN_MS);
      expect([...verdict.rules]).toContain('duplicate');
    });
  });

  it('a retry after a success', { timeout: 120_000 }, async () => {
    await withScenario(seed, async (scenario) => {
      await scenario.start({ plant: 'retry-after-success' }).ready;
      await scenario.setUp();
      const producer = scenario.produce(load);
      await producer.until('some work', () => producer.acknowledgedAt().length > 50);
      const verdict = await scenario.conclude(DRAIN_MS);
      expect([...verdict.rules]).toContain('duplicate');
    });
  });

  it('a delivery from memory of what was never committed', { timeout: 120_000 }, async () => {
    await withProxy(seed, async (scenario, proxy) => {
      await scenario.start({ plant: 'cut-off-is-done' }).ready;
      await scenario.setUp();
      const producer = scenario.produce(load);
      await producer.until('some work', () => producer.acknowledgedAt().length > 30);
      // One cut may hit a batch whose lane was behind, and that goes by the store: not every one shows it.
      for (let cuts = 0; cuts < 5; cuts++) await proxy.cut('insert_messages', 'before');
      const verdict = await scenario.conclude(DRAIN_MS);
      expect([...verdict.rules]).toEqual(expect.arrayContaining(['lost', 'phantom']));
    });
  });
});
