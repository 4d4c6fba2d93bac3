import { describe, expect, it } from 'vitest';
import { migrate } from '../../src/store/migrate.ts';
import { clean, start as startPostgres, temporaryDirectory } from '../embedded-starter.ts';
import type { CutMoment } from '../../../../tools/fault-proxy/postgres.ts';
import { nowMs } from './changes.ts';
import { freePort } from '../ports.ts';
import { poll } from './server-process.ts';
import { openDeliveries } from './snapshot.ts';
import { withEnds, withOwnDatabase, withProxy, withScenario } from './with-scenario.ts';

const load = { count: 8, pauseMs: 20 };
const seed = 'outage';
const RESUME_MS = 10_000;

describe.concurrent('PostgreSQL', () => {
  it('stops at once and comes back under load', { timeout: 120_000 }, async () => {
    await withEnds(async (later) => {
      const directory = await temporaryDirectory();
      later(() => clean(directory));
      let postgres = await startPostgres(directory);
      later(() => postgres.stop());
      await migrate({ url: postgres.url, log: () => {} });
      const scenario = await withOwnDatabase(seed, postgres.url, later);
      const server = scenario.start();
      await server.ready;
      await scenario.setUp();
      const producer = scenario.produce(load);
      await producer.until('work before', () => producer.acknowledgedAt().length >= 50);

      const awayMs = nowMs();
      process.kill(postgres.pid, 'SIGQUIT');
      await postgres.exited;
      const refusedBefore = producer.refusals().length;
      await producer.until('refusals', () => producer.refusals().length >= refusedBefore + 20);
      postgres = await startPostgres(directory, { preferredPort: postgres.port });
      const backMs = nowMs();
      const isBack = (): boolean =>
        (producer.acknowledgedAt().at(-1) ?? 0) > backMs &&
        (scenario.oracle.requests().at(-1)?.arrivedMs ?? 0) > backMs;
      await Promise.all([
        producer.until(
          'acceptance to resume',
          () => (producer.acknowledgedAt().at(-1) ?? 0) > backMs,
          RESUME_MS,
        ),
        scenario.oracle.until(
          'deliveries to resume',
          () => (scenario.oracle.requests().at(-1)?.arrivedMs ?? 0) > backMs,
          RESUME_MS,
        ),
      ]);
      expect(isBack()).toBe(true);
      scenario.fault({ kind: 'database away', sender: null, fromMs: awayMs, toMs: nowMs() });
      const acknowledged = producer.acknowledgedAt().length;
      await producer.until('work after', () => producer.acknowledgedAt().length >= acknowledged + 50);
      const verdict = await scenario.conclude();
      expect(verdict.problems).toBe('');
      expect(producer.refusals().every(({ retryAfter }) => Number(retryAfter) >= 1)).toBe(true);
    });
  });
});

describe.concurrent('SIGTERM under load', () => {
  it('ends within the grace time, without loss and without duplicates', { timeout: 120_000 }, async () => {
    await withScenario(seed, async (scenario) => {
      const first = scenario.start();
      await first.ready;
      await scenario.setUp();
      const producer = scenario.produce(load);
      await producer.until('some work', () => producer.acknowledgedAt().length > 30);
      scenario.oracle.hold();
      await scenario.oracle.until('requests in flight', () => scenario.oracle.inFlight() >= 20);
      const atMs = nowMs();
      first.signal('SIGTERM');
      const acknowledged = producer.acknowledgedAt().length;
      await first.until('the drain', () => first.told().some(({ event }) => event === 'stopping'));
      scenario.oracle.release();
      const { code, atMs: endedMs } = await first.ended;
      expect([code, endedMs - atMs < 8_000]).toEqual([0, true]);
      await scenario.start().ready;
      await producer.until('work after', () => producer.acknowledgedAt().length >= acknowledged + 50);
      const verdict = await scenario.conclude();
      expect(verdict.problems).toBe('');
      expect([verdict.duplicates, verdict.unknowns]).toEqual([0, 0]);
    });
  });

  it('ends soon after a grace time that was too short for a receiver', { timeout: 120_000 }, async () => {
    await withScenario(seed, async (scenario) => {
      const first = scenario.start({ settings: { POSTHORN_GRACE: '1' } });
      await first.ready;
      await scenario.setUp();
      const producer = scenario.produce(load);
      await producer.until('some work', () => producer.acknowledgedAt().length > 30);
      scenario.oracle.hold();
      await scenario.oracle.until('requests in flight', () => scenario.oracle.inFlight() >= 20);
      const atMs = nowMs();
      first.signal('SIGTERM');
      const { code, atMs: endedMs } = await first.ended;
      expect([code, endedMs - atMs < 6_000]).toEqual([0, true]);
      scenario.fault({ kind: 'grace is over', sender: first.pid, fromMs: atMs, toMs: endedMs });
      scenario.oracle.release();
      await scenario.start().ready;
      const verdict = await scenario.conclude();
      expect(verdict.problems).toBe('');
      expect(verdict.unknowns).toBeGreaterThanOrEqual(10);
    });
  });
});

describe.concurrent('a process that is killed while it drains', () => {
  it('holds up nothing but what it had in flight, and loses none of that', { timeout: 120_000 }, async () => {
    await withScenario(seed, async (scenario) => {
      const first = scenario.start({ settings: { POSTHORN_GRACE: '4' } });
      await first.ready;
      await scenario.setUp();
      const second = scenario.start({ port: await freePort() });
      await second.ready;
      const producer = scenario.produce(load);
      await producer.until('some work', () => producer.acknowledgedAt().length > 30);
      scenario.oracle.hold();
      await scenario.oracle.until('requests in flight', () => scenario.oracle.inFlight() >= 20);
      first.signal('SIGTERM');
      await first.until('the drain', () => first.told().some(({ event }) => event === 'stopping'));
      const held = scenario.oracle.inFlight();
      scenario.produce({ ...load, url: second.url });
      await scenario.oracle.until('deliveries by the second', () => scenario.oracle.inFlight() > held + 10);
      first.signal('SIGKILL');
      await scenario.died(first);
      scenario.oracle.release();
      scenario.start();
      const verdict = await scenario.conclude();
      expect(verdict.problems).toBe('');
      expect(verdict.unknowns).toBeGreaterThanOrEqual(10);
    });
  });
});

describe.concurrent('a lost answer of the database', () => {
  const cuts: readonly { readonly moment: CutMoment; readonly what: string; readonly stored: number }[] = [
    { moment: 'after', what: 'that was committed', stored: 2 },
    { moment: 'before', what: 'that was not', stored: 0 },
  ];

  it.each(cuts)(
    'to an insert $what leaves nothing in memory and nothing stranded',
    { timeout: 120_000 },
    async ({ moment, stored }) => {
      await withProxy(seed, async (scenario, proxy, databaseUrl) => {
        const server = scenario.start();
        await server.ready;
        await scenario.setUp();
        const producer = scenario.produce({ count: 0, pauseMs: 0 });
        // Until the node holds what it accepts: otherwise nothing of an unknown insert could be in memory.
        for (let isHeld = false; !isHeld;) {
          scenario.oracle.hold();
          const { eventId } = await producer.post();
          isHeld = (await openDeliveries(databaseUrl, eventId)).some(({ state }) => state === 'held');
          scenario.oracle.release();
        }
        await poll('no open delivery', async () => (await openDeliveries(databaseUrl)).length === 0);
        const before = scenario.oracle.requests().length;
        const isCut = proxy.cut('insert_messages', moment);
        const posting = await producer.post();
        await isCut;
        expect(posting.end).toBe('acknowledged');
        // Not in memory, so nobody has touched them: they wait for the net that frees them.
        const open = await openDeliveries(databaseUrl, posting.eventId);
        expect(open.filter(({ state }) => state === 'held').length).toBeGreaterThanOrEqual(stored);
        const arrived = (): number => scenario.oracle.requests().length - before;
        await scenario.oracle.until('both deliveries', () => arrived() >= 2, 45_000);
        const freed = server.told().filter(({ event }) => event === 'reconcile');
        expect(freed.reduce((sum, { count }) => sum + (count ?? 0), 0)).toBe(stored);
        const firstMs = scenario.oracle.requests()[before]?.arrivedMs ?? 0;
        expect(firstMs).toBeGreaterThan((freed[0]?.atMs ?? 0) - 50);
        const verdict = await scenario.conclude();
        expect(verdict.problems).toBe('');
        expect([verdict.duplicates, verdict.unknowns]).toEqual([0, 0]);
      });
    },
  );

  it('to inserts and settles under load does no harm', { timeout: 120_000 }, async () => {
    await withProxy(seed, async (scenario, proxy) => {
      const server = scenario.start();
      await server.ready;
      await scenario.setUp();
      const producer = scenario.produce(load);
      for (const moment of ['after', 'before'] as const) {
        for (const statement of ['insert_messages', 'settle', 'poll', 'heartbeat']) {
          const acknowledged = producer.acknowledgedAt().length;
          await proxy.cut(statement, moment);
          await producer.until('work after', () => producer.acknowledgedAt().length >= acknowledged + 10);
        }
      }
      const verdict = await scenario.conclude(45_000);
      expect(verdict.problems).toBe('');
      expect([verdict.duplicates, verdict.unknowns]).toEqual([0, 0]);
    });
  });
});
