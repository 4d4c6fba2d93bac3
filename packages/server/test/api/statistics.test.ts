// Statistics: what is rolled up plus what is not yet must always be all of it, once.
import { randomBytes, randomInt } from 'node:crypto';
import pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { createIdSource } from '../../src/domain/ids.ts';
import { createSettleManual, settleManualStatements } from '../../src/store/settle-manual.ts';
import { createRollUp, rollUpSlice, rollUpStatements } from '../../src/store/statistic-roll-up.ts';
import { addApplication, addAttempt, addClosed, addEndpoint, addLive, addMessage } from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const rollUp = () => createRollUp(harness.database, () => performance.now())();
const mark = async (): Promise<number> => {
  const { rows } = await harness.pool.query<{ upto: Date }>('select upto from statistic_mark');
  return rows[0]!.upto.getTime();
};

/** Puts the mark back to a whole second, with nothing rolled up: tests write into the past. */
const rewind = (ago: string) =>
  harness.pool.query(
    `with gone as (delete from statistic_hour), gone_too as (delete from statistic_minutes)
     update statistic_mark set upto = date_trunc('second', now() - interval '${ago}')`,
  );

/** Connections of the fixtures, named like a server's: what they have not committed holds the mark back. */
const writers: pg.Client[] = [];
const newWriter = async (): Promise<pg.Client> => {
  const { rows } = await harness.pool.query<{ name: string }>('select current_database() as name');
  const url = new URL(
    (harness.pool as unknown as { options: { connectionString: string } }).options.connectionString,
  );
  expect(url.pathname.slice(1)).toBe(rows[0]!.name);
  const client = new pg.Client({ connectionString: url.href, application_name: 'posthorn a-writer' });
  await client.connect();
  writers.push(client);
  return client;
};
afterAll(async () => {
  await Promise.all(writers.map((client) => client.end()));
});

const idAt = (atMs: number) =>
  createIdSource(
    () => atMs,
    (count) => randomBytes(count),
  );

const scene = async () => {
  await rewind('20 hours');
  const app = await addApplication(harness);
  const endpoint = await addEndpoint(harness, app);
  return { app, endpoint };
};

const day = (): string => {
  const now = harness.nowMs();
  return `since=${new Date(now - 12 * HOUR_MS).toISOString()}&until=${new Date(now + HOUR_MS).toISOString()}`;
};
const totals = async (app: string): Promise<[number, number, number]> => {
  const { status, body } = await call('GET', `/app/${app}/stats/attempts?${day()}`);
  expect(status).toBe(200);
  return [body['total_success'], body['total_failure'], body['total_canceled']];
};

describe('counts of attempts', () => {
  it('are the same before and after they are rolled up, by type, hour, day and five minutes', async () => {
    const { app, endpoint } = await scene();
    const other = await addEndpoint(harness, app);
    const now = harness.nowMs();
    const ages = [5 * HOUR_MS, 3 * HOUR_MS, 3 * HOUR_MS - MINUTE_MS, 10 * MINUTE_MS, 0];
    for (const [index, age] of ages.entries()) {
      const atMs = now - age;
      const message = await addMessage(harness, app, { atMs });
      const eventType = index % 2 === 0 ? 'even' : 'odd';
      await addAttempt(harness, app, endpoint, message, { atMs, eventType, final: 'succeeded' });
      await addAttempt(harness, app, other, message, { atMs, eventType, status: 2, final: 'dead' });
      await addClosed(harness, app, other, message, { atMs, eventType });
    }
    const canceled = await addMessage(harness, app, { atMs: now - 2 * HOUR_MS });
    await addClosed(harness, app, other, canceled, {
      atMs: now - 2 * HOUR_MS,
      eventType: 'odd',
      state: 'canceled',
    });
    const read = async () => ({
      totals: (await call('GET', `/app/${app}/stats/attempts?${day()}`)).body,
      odd: (await call('GET', `/app/${app}/stats/attempts?${day()}&event_types=odd`)).body,
      days: (await call('GET', `/stats/app/${app}/attempt`)).body,
      hours: (await call('GET', `/stats/app/${app}/attempt?period=OneHour`)).body,
      minutes: (
        await call(
          'GET',
          `/stats/app/${app}/attempt?period=FiveMinutes&startDate=${new Date(now - 6 * HOUR_MS).toISOString()}`,
        )
      ).body,
      endpoint: (await call('GET', `/app/${app}/endpoint/${endpoint}/stats`)).body,
      other: (await call('GET', `/app/${app}/endpoint/${other}/stats`)).body,
    });
    const before = await read();
    expect(before.totals).toMatchObject({
      by_event_type: {
        even: { success: 3, failure: 3, canceled: 0 },
        odd: { success: 2, failure: 2, canceled: 1 },
      },
      total_success: 5,
      total_failure: 5,
      total_canceled: 1,
    });
    expect(before.odd).toMatchObject({ total_success: 2, total_failure: 2, total_canceled: 1 });
    expect(before.endpoint).toEqual({ success: 5, pending: 0, sending: 0, fail: 0, canceled: 0 });
    expect(before.other).toEqual({ success: 0, pending: 0, sending: 0, fail: 5, canceled: 1 });
    for (const key of ['days', 'hours', 'minutes'] as const) {
      const { data, startDate, endDate } = before[key];
      const step = { days: DAY_MS, hours: HOUR_MS, minutes: 5 * MINUTE_MS }[key];
      expect(data.successCount).toHaveLength((Date.parse(endDate) - Date.parse(startDate)) / step);
      const sum = (counts: number[]) => counts.reduce((a, b) => a + b, 0);
      expect([sum(data.successCount), sum(data.failureCount), sum(data.canceledCount)]).toEqual([5, 5, 1]);
    }
    const from = await mark();
    await rollUp();
    expect(await mark()).toBeGreaterThan(Math.max(from, now - 2 * MINUTE_MS));
    // A change of hour or day between the two reads moves the series, not what is in it.
    const after = await read();
    expect(after.totals).toEqual(before.totals);
    expect(after.odd).toEqual(before.odd);
    expect([after.endpoint, after.other]).toEqual([before.endpoint, before.other]);
    for (const key of ['days', 'hours', 'minutes'] as const) {
      expect(after[key].data.successCount.filter(Boolean)).toEqual(
        before[key].data.successCount.filter(Boolean),
      );
    }
  });

  it('stay when the attempts of their days are dropped', async () => {
    const { app, endpoint } = await scene();
    const atMs = harness.nowMs() - 2 * HOUR_MS;
    await addAttempt(harness, app, endpoint, await addMessage(harness, app, { atMs }), {
      atMs,
      final: 'succeeded',
    });
    await rollUp();
    await harness.pool.query('delete from attempt where app_id = $1', [app]);
    expect(await totals(app)).toEqual([1, 0, 0]);
    const at = `/app/${app}/endpoint/${endpoint}/stats`;
    expect((await call('GET', at)).body).toMatchObject({ success: 1 });
    const hour = (back: number) => new Date(Math.floor(atMs / HOUR_MS) * HOUR_MS + back).toISOString();
    expect((await call('GET', `${at}?since=${hour(0)}&until=${hour(HOUR_MS)}`)).body).toMatchObject({
      success: 1,
    });
    expect((await call('GET', `${at}?since=${hour(HOUR_MS)}&until=${hour(2 * HOUR_MS)}`)).body).toMatchObject(
      {
        success: 0,
      },
    );
  });

  it('of an endpoint take the ends of a range to the moment', async () => {
    const { app, endpoint } = await scene();
    const hour = Math.floor((harness.nowMs() - 4 * HOUR_MS) / HOUR_MS) * HOUR_MS;
    for (const minute of [-5, 10, 30, 59, 61, 115, 125]) {
      const atMs = hour + minute * MINUTE_MS;
      await addAttempt(harness, app, endpoint, await addMessage(harness, app, { atMs }), {
        atMs,
        final: 'succeeded',
      });
    }
    const count = async (from: number, to: number) => {
      const iso = (minute: number) => new Date(hour + minute * MINUTE_MS).toISOString();
      const reply = await call(
        'GET',
        `/app/${app}/endpoint/${endpoint}/stats?since=${iso(from)}&until=${iso(to)}`,
      );
      return reply.body['success'] as number;
    };
    const all = async () =>
      Promise.all(
        (
          [
            [0, 60],
            [20, 40],
            [20, 62],
            [-10, 130],
            [11, 120],
            [60, 60],
            [-5, 10],
          ] as const
        ).map(([from, to]) => count(from, to)),
      );
    expect(await all()).toEqual([3, 1, 3, 7, 4, 0, 1]);
    await rollUp();
    expect(await all()).toEqual([3, 1, 3, 7, 4, 0, 1]);
  });

  it('never pass by what commits late, nor count anything twice', async () => {
    const { app, endpoint } = await scene();
    const late = await newWriter();
    const atMs = harness.nowMs() - 30 * MINUTE_MS;
    await rewind('1 hour');
    await late.query('begin');
    await late.query(
      `insert into attempt (id, org_id, app_id, msg_id, endpoint_id, run, status, trigger, response_status, duration_ms, url, event_type, created_at)
       values ($1, $2, $3, 'msg_late', $4, 0, 0, 0, 200, 1, 'u', 'late', $5)`,
      [idAt(atMs)('attempt'), harness.org, app, endpoint, new Date(atMs).toISOString()],
    );
    // Seen without the minute that it stays behind everything: not beyond when that transaction began.
    const now = async (sql: string): Promise<number> =>
      (await harness.database.rows<{ at: number }>({ name: `look_${sql.length}`, text: sql }, []))[0]!.at;
    const begun = await now('select clock_timestamp() as at');
    while ((await now('select clock_timestamp() as at')) < begun + 2000);
    const { text } = rollUpStatements.settled;
    const settled = text.replace("interval '60 seconds'", "interval '0'").replace('as settled', 'as at');
    expect(await now(settled)).toBeLessThanOrEqual(begun);
    await late.query('rollback');
    expect(await now(settled)).toBeGreaterThan(begun);

    // A delivery that is held may have an attempt whose result is not written yet, however long ago.
    const message = await addMessage(harness, app, { atMs });
    await addLive(harness, app, endpoint, message, 'held');
    await harness.pool.query('update live set held_at = $2 where msg_id = $1', [message, new Date(atMs)]);
    await rewind('1 hour');
    await rollUp();
    expect(await mark()).toBeLessThanOrEqual(atMs - MINUTE_MS);
    await addAttempt(harness, app, endpoint, message, { atMs: atMs + 1, final: 'succeeded' });
    await harness.pool.query('delete from live where msg_id = $1', [message]);
    await rollUp();
    expect(await mark()).toBeGreaterThan(atMs);
    expect(await totals(app)).toEqual([1, 0, 0]);
  });

  it('count an attempt by hand that is written after the mark has passed its id', async () => {
    const { app, endpoint } = await scene();
    const atMs = harness.nowMs() - 20 * MINUTE_MS;
    const message = await addMessage(harness, app, { atMs });
    await rollUp();
    expect(await mark()).toBeGreaterThan(atMs);
    const settle = createSettleManual(harness.database, settleManualStatements);
    const settlement = {
      orgId: harness.org,
      applicationId: app,
      endpointId: endpoint,
      messageId: message,
      eventType: 'user.created',
      channels: null,
      tags: null,
      attempt: {
        id: idAt(atMs)('attempt'),
        trigger: 'manual' as const,
        url: 'https://hooks.test/',
        report: {
          result: { kind: 'response' as const, status: 200 },
          startedAtMs: atMs + 1000,
          phases: { dnsMs: null, connectMs: null, tlsMs: null, firstByteMs: 1, totalMs: 1 },
          requestHeaders: '',
          responseHeaders: '',
          responseBody: new Uint8Array(0),
          bodyBytes: 0,
          peer: null,
        },
      },
      succeeded: true,
    };
    await settle(settlement as never);
    expect(await totals(app)).toEqual([1, 0, 0]);
    await settle(settlement as never);
    await rollUp();
    expect(await totals(app)).toEqual([1, 0, 0]);
  });

  it(
    'are exact at every moment, whoever writes, commits late and rolls up meanwhile',
    { timeout: 60_000 },
    async () => {
      const seed = randomInt(2 ** 31);
      console.log(`statistics: seed ${seed}`);
      let state = seed;
      const random = (below: number): number => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return Math.floor((state / 2 ** 32) * below);
      };
      const { app, endpoint } = await scene();
      await rewind('50 minutes');
      const clients = await Promise.all([newWriter(), newWriter(), newWriter()]);
      const open = new Map<pg.Client, { readonly message: string; readonly count: number }>();
      let committed = 0;
      for (let step = 0; step < 150; step++) {
        const client = clients[random(clients.length)]!;
        const action = random(4);
        const mine = open.get(client);
        if (action === 0) {
          const sliceMs = (1 + random(4)) * MINUTE_MS;
          await Promise.all([rollUpSlice(harness.database, sliceMs), rollUpSlice(harness.database, sliceMs)]);
        } else if (mine !== undefined) {
          await client.query(action === 1 ? 'rollback' : 'commit');
          if (action === 1) await harness.pool.query('delete from live where msg_id = $1', [mine.message]);
          else committed += mine.count;
          open.delete(client);
        } else {
          // A delivery is taken, its attempts get ids, and much later a transaction settles them.
          const fromMs = (await mark()) + MINUTE_MS;
          const atMs = fromMs + random(Math.max(1, harness.nowMs() - fromMs));
          const message = await addMessage(harness, app, { atMs });
          await addLive(harness, app, endpoint, message, 'held');
          await harness.pool.query('update live set held_at = $2 where msg_id = $1', [
            message,
            new Date(atMs - 1).toISOString(),
          ]);
          const count = 1 + random(3);
          await client.query('begin');
          for (let i = 0; i < count; i++) {
            await client.query(
              `insert into attempt (id, org_id, app_id, msg_id, endpoint_id, run, status, trigger, response_status, duration_ms, url, event_type, created_at)
             values ($1, $2, $3, $1, $4, 0, 0, 0, 200, 1, 'u', 'late', $5)`,
              [idAt(atMs)('attempt'), harness.org, app, endpoint, new Date(atMs).toISOString()],
            );
          }
          await client.query('delete from live where msg_id = $1', [message]);
          open.set(client, { message, count });
        }
        expect([seed, step, (await totals(app))[0]]).toEqual([seed, step, committed]);
      }
      for (const client of open.keys()) await client.query('rollback');
    },
  );

  it.each([
    ['9999-12-31T00:00:00Z', '9999-12-31T23:59:59Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T12:00:00Z'],
  ])('refuses a range at the ends of time: %s', async (since, until) => {
    const { app } = await scene();
    const first = await call('GET', `/app/${app}/stats/attempts?since=${since}&until=${until}`);
    const second = await call('GET', `/stats/app/${app}/attempt?startDate=${since}&endDate=${until}`);
    // A month before is before time, where it is not said otherwise.
    const third = await call('GET', `/stats/app/${app}/attempt?endDate=${until}`);
    const usage = await call('POST', '/stats/usage/app', { body: { since, until } });
    const isEarly = since.startsWith('0001');
    expect([first.status, second.status, third.status, usage.status]).toEqual(
      isEarly ? [200, 200, 400, 202] : [400, 400, 400, 422],
    );
  });

  it('refuses ranges that are turned, too long or too fine', async () => {
    const { app } = await scene();
    const at = `/app/${app}/stats/attempts`;
    expect((await call('GET', at)).status).toBe(400);
    expect((await call('GET', `${at}?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z`)).body.code).toBe(
      'invalid_range',
    );
    expect((await call('GET', `${at}?since=2020-01-01T00:00:00Z&until=2026-01-01T00:00:00Z`)).body.code).toBe(
      'invalid_range',
    );
    const series = `/stats/app/${app}/attempt`;
    expect((await call('GET', `${series}?period=OneYear`)).status).toBe(400);
    expect(
      (await call('GET', `${series}?startDate=2026-01-02T00:00:00Z&endDate=2026-01-01T00:00:00Z`)).body.code,
    ).toBe('invalid_range');
    expect(
      (
        await call(
          'GET',
          `${series}?period=FiveMinutes&startDate=2020-01-01T00:00:00Z&endDate=2020-01-01T01:00:00Z`,
        )
      ).body.code,
    ).toBe('invalid_range');
  });
});
