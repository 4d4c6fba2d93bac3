import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  createApplication,
  createEndpoint,
  eventually,
  startReceiver,
  startTestServer,
  type Json,
} from './harness.ts';

const nothingOpen = async (sql: (text: string) => Promise<Json[]>): Promise<void> => {
  await eventually(
    () => sql('select count(*)::int as n from live'),
    ([row]) => row.n === 0,
  );
};

/** A connection by hand; what it has heard so far, and that it was closed. */
const dial = async (url: string) => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let heard = '';
  socket.setEncoding('latin1').on('data', (text: string) => (heard += text));
  await once(socket, 'connect');
  const closed = once(socket, 'close');
  return { send: (text: string) => socket.write(text), heard: () => heard, closed };
};

const isRefused = (url: string): Promise<boolean> =>
  dial(url).then(
    () => false,
    () => true,
  );

describe('a server that stops', () => {
  it('answers the requests that have begun to arrive, and says that the connection ends', async () => {
    const server = await startTestServer();
    try {
      const client = await dial(server.url);
      client.send('GET /livez HTTP/1.1\r\nhost: localhost\r\n');
      // Its first bytes are there, for a later connection is answered.
      expect((await server.call('GET', '/api/v1/app')).status).toBe(200);
      const stopped = server.halt(10_000);
      await eventually(
        () => isRefused(server.url),
        (refused) => refused,
      );
      client.send('\r\n');
      await Promise.all([client.closed, stopped]);
      expect(client.heard()).toMatch(/^HTTP\/1\.1 200 /);
      expect(client.heard()).toMatch(/^connection: close\r$/im);
    } finally {
      await server.stop();
    }
  });

  it('under load hands back what it has not sent; the next one delivers it, everything once', async () => {
    // Slow enough that much is queued when it stops; every answer comes within the grace time.
    const receiver = await startReceiver(
      (_, response) => void setTimeout(() => response.writeHead(200).end(), 100),
    );
    const first = await startTestServer({ POSTHORN_ENDPOINT_CONCURRENCY: '1' });
    let second: Awaited<ReturnType<typeof startTestServer>> | null = null;
    try {
      const app = await createApplication(first, 'handed-over');
      for (let i = 0; i < 4; i++) await createEndpoint(first, app, { url: `${receiver.url}/${i}` });
      const acknowledged = new Set<string>();
      let isStopping = false;
      const producers = Array.from({ length: 8 }, async () => {
        while (!isStopping) {
          // Once it stops, a request may find nobody there: then nothing was promised.
          const answer = await first
            .call('POST', `${app}/msg`, { eventType: 'load', payload: {} })
            .catch(() => null);
          if (answer?.status === 202) acknowledged.add(answer.body.id);
          else if (answer !== null) expect(answer.status).toBe(503);
        }
      });
      await receiver.until((all) => all.length >= 40);
      const stopped = first.halt(10_000);
      isStopping = true;
      await Promise.all([stopped, ...producers]);
      const open = await first.sql('select state, count(*)::int as n from live group by state');
      // It did stop in the middle, and nothing is held by nobody.
      expect(open).toEqual([{ state: 'waiting', n: expect.any(Number) }]);
      expect(await first.sql(`select count(*)::int as n from partition where node is not null`)).toEqual([
        { n: 0 },
      ]);

      second = await startTestServer({}, {}, { databaseUrl: first.databaseUrl });
      await nothingOpen(second.sql);
      const seen = new Map<string, number>();
      for (const { path, headers } of receiver.arrivals) {
        const key = `${String(headers['webhook-id'])} ${path}`;
        seen.set(key, (seen.get(key) ?? 0) + 1);
      }
      for (const id of acknowledged)
        for (let i = 0; i < 4; i++) expect([id, i, seen.get(`${id} /hook/${i}`)]).toEqual([id, i, 1]);
      expect([...seen.values()].every((times) => times === 1)).toBe(true);
      // Every request on the wire is on record.
      expect(await second.sql('select count(*)::int as n from attempt')).toEqual([
        { n: receiver.arrivals.length },
      ]);
      expect(await second.sql(`select distinct cause from attempt`)).toEqual([{ cause: null }]);
    } finally {
      await second?.stop();
      await first.stop();
      await receiver.close();
    }
  }, 60_000);

  it('without grace leaves an unknown attempt behind, and the next one sends again', async () => {
    let count = 0;
    const receiver = await startReceiver((_, response) => {
      count++;
      if (count > 1) response.writeHead(200).end();
    });
    const first = await startTestServer();
    let second: Awaited<ReturnType<typeof startTestServer>> | null = null;
    try {
      const app = await createApplication(first, 'cut');
      await createEndpoint(first, app, { url: receiver.url });
      const { body } = await first.call('POST', `${app}/msg`, { eventType: 'cut', payload: {} });
      await receiver.until((all) => all.length === 1);
      await first.halt(0);
      second = await startTestServer({}, {}, { databaseUrl: first.databaseUrl });
      await receiver.until((all) => all.length === 2);
      await nothingOpen(second.sql);
      const attempts = (await second.call('GET', `${app}/attempt/msg/${body.id}`)).body.data;
      expect(attempts.map(({ status, cause }: Json) => [status, cause])).toEqual([
        [0, undefined],
        [2, 'unknown'],
      ]);
      expect(receiver.arrivals[1]!.headers['webhook-id']).toBe(body.id);
    } finally {
      await second?.stop();
      await first.stop();
      await receiver.close();
    }
  });

  it('keeps what it knew: retries come when they are due, a disabled endpoint stays disabled, keys are the same', async () => {
    let status = 500;
    const receiver = await startReceiver((_, response) => void response.writeHead(status).end());
    const first = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '2' });
    let second: Awaited<ReturnType<typeof startTestServer>> | null = null;
    try {
      const app = await createApplication(first, 'kept');
      const endpoint = await createEndpoint(first, app, { url: receiver.url });
      const off = await createEndpoint(first, app, { url: receiver.url, disabled: true });
      const { key } = (await first.call('GET', `${app}/endpoint/${endpoint.id}/secret`)).body;
      const { body } = await first.call(
        'POST',
        `${app}/msg`,
        { eventType: 'kept', payload: {} },
        { 'idempotency-key': 'kept' },
      );
      await eventually(
        () => first.sql('select count(*)::int as n from attempt'),
        ([row]) => row.n === 1,
      );
      await first.halt(1000);
      status = 200;
      second = await startTestServer(
        { POSTHORN_RETRY_SCHEDULE: '2' },
        {},
        { databaseUrl: first.databaseUrl },
      );
      await nothingOpen(second.sql);
      expect(receiver.arrivals[1]!.atMs - receiver.arrivals[0]!.atMs).toBeGreaterThanOrEqual(1900);
      expect((await second.call('GET', `${app}/endpoint/${endpoint.id}/secret`)).body.key).toBe(key);
      expect((await second.call('GET', `${app}/endpoint/${off.id}`)).body.disabled).toBe(true);
      const repeated = await second.call(
        'POST',
        `${app}/msg`,
        { eventType: 'kept', payload: {} },
        { 'idempotency-key': 'kept' },
      );
      expect(repeated.body).toEqual(body);
      expect(receiver.arrivals).toHaveLength(2);
    } finally {
      await second?.stop();
      await first.stop();
      await receiver.close();
    }
  });
});
