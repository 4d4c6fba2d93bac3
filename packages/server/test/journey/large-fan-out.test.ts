import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createIdSource } from '../../src/domain/ids.ts';
import { createRandom } from '../../src/clock.ts';
import type { EndpointKey } from '../../src/domain/configuration.ts';
import { partitionOf } from '../../src/domain/partition.ts';
import { sealKeys } from '../../src/store/endpoint-row.ts';
import { createSealer } from '../../src/store/sealed.ts';
import {
  MAIN_SECRET,
  createApplication,
  createEndpoint,
  eventually,
  startReceiver,
  startTestServer,
  type Receiver,
  type TestServer,
} from './harness.ts';

const LARGE = 10_000;

const random = createRandom();
const sealer = createSealer([MAIN_SECRET], random.bytes);
const counts = new Map<string, number>();
const count = (path: string): number => counts.get(path) ?? 0;

let server: TestServer;
let receiver: Receiver;
beforeAll(async () => {
  server = await startTestServer();
  receiver = await startReceiver(({ path }, response) => {
    counts.set(path, count(path) + 1);
    response.writeHead(200).end();
  });
});
afterAll(async () => {
  await server.stop();
  await receiver.close();
});

/** More endpoints like one, as if each had been created by a request of its own. */
const copy = async (endpointId: string, count: number, on = server): Promise<void> => {
  const newId = createIdSource(Date.now, random.bytes);
  const key: EndpointKey = { key: { kind: 'hmac256', key: random.bytes(24) }, expiresAtMs: null };
  const rows = Array.from({ length: count }, () => {
    const id = newId('endpoint');
    return { id, partition: partitionOf(id), keys: sealKeys(id, [key], sealer) };
  });
  await on.sql(
    `with copies as (
       insert into endpoint (id, org_id, app_id, partition, url, keys, created_at, updated_at, channels)
       select c.id, e.org_id, e.app_id, c.partition, e.url, c.keys::jsonb, e.created_at, e.updated_at, e.channels
       from endpoint e, unnest($2::text[], $3::int2[], $4::text[]) as c(id, partition, keys) where e.id = $1
       returning *
     ), lanes as (
       insert into lane (endpoint_id, org_id, partition) select id, org_id, partition from copies
     )
     update application set config_version = config_version + 1 where id = (select app_id from endpoint where id = $1)`,
    [
      endpointId,
      rows.map(({ id }) => id),
      rows.map(({ partition }) => partition),
      rows.map(({ keys }) => keys),
    ],
  );
};

const nothingLeft = (on: TestServer): Promise<unknown> =>
  eventually(
    () => on.sql('select (select count(*) from live)::int + (select count(*) from expansion)::int as n'),
    ([row]) => row.n === 0,
    60_000,
  );

/** How many endpoints have it, how often they took it, and what it needed beyond that on a busy machine. */
const ends = async (
  on: TestServer,
  messageId: string,
): Promise<{ endpoints: number; successes: number; failures: number }> => {
  const [row] = await on.sql(
    `select count(distinct endpoint_id) filter (where final = 'succeeded')::int as endpoints,
       count(*) filter (where status = 0)::int as successes, count(*) filter (where status <> 0)::int as failures
     from attempt where msg_id = $1`,
    [messageId],
  );
  return row;
};

describe('a message to thousands of endpoints', () => {
  it(
    'reaches each of them once, and another application’s message overtakes it',
    { timeout: 120_000 },
    async () => {
      const crowd = await createApplication(server, 'crowd');
      const one = await createEndpoint(server, crowd, { url: `${receiver.url}/crowd` });
      await copy(one.id, LARGE - 1);
      const other = await createApplication(server, 'other');
      await createEndpoint(server, other, { url: `${receiver.url}/other` });

      const first = await server.call('POST', `${crowd}/msg`, {
        eventType: 'large',
        eventId: 'a',
        payload: {},
      });
      expect(first.status).toBe(202);
      expect((await server.call('POST', `${other}/msg`, { eventType: 'small', payload: {} })).status).toBe(
        202,
      );
      await receiver.until(() => count('/hook/other') === 1);
      expect(count('/hook/crowd')).toBeLessThan(LARGE);
      // The same event again is the same message still.
      const again = await server.call('POST', `${crowd}/msg`, {
        eventType: 'large',
        eventId: 'a',
        payload: {},
      });
      expect(again.status).toBe(409);

      await nothingLeft(server);
      const { failures, ...once } = await ends(server, first.body.id);
      expect(once).toEqual({ endpoints: LARGE, successes: LARGE });
      expect(count('/hook/crowd')).toBeGreaterThanOrEqual(LARGE);
      expect(count('/hook/crowd')).toBeLessThanOrEqual(LARGE + failures);
    },
  );

  it('is waited for by what was posted after it, where there is an order', { timeout: 120_000 }, async () => {
    let isBegun = false;
    let isOpen = false;
    const slow = await startTestServer(
      {},
      {
        dispatchStore: (store) => ({
          ...store,
          unfold: async (input) => {
            if (isBegun && !isOpen) return null;
            const chunk = await store.unfold(input);
            isBegun ||= chunk !== null;
            return chunk;
          },
        }),
      },
    );
    try {
      const app = await createApplication(slow, 'ordered');
      const paths: string[] = [];
      const fifo = await startReceiver(({ body }, response) => {
        paths.push(body.toString());
        response.writeHead(200).end();
      });
      // The first of all: it has its delivery long before the rest have theirs.
      await createEndpoint(slow, app, { url: fifo.url, fifo: true });
      const one = await createEndpoint(slow, app, { url: `${receiver.url}/rest`, channels: ['rest'] });
      await copy(one.id, 1_500, slow);
      const post = async (eventType: string, channels: string[] | null) => {
        const message = { eventType, channels, payload: { eventType } };
        expect((await slow.call('POST', `${app}/msg`, message)).status).toBe(202);
      };
      await post('large', ['rest']);
      await post('small', null);
      await fifo.until((all) => all.length === 1);
      const unfolded = await eventually(
        () => slow.sql('select unfolded from expansion'),
        ([row]) => row.unfolded > 0,
      );
      expect(unfolded).toHaveLength(1);
      // A message of another application, posted later, has come and gone.
      const other = await createApplication(slow, 'unordered');
      await createEndpoint(slow, other, { url: `${receiver.url}/witness` });
      await slow.call('POST', `${other}/msg`, { eventType: 'witness', payload: {} });
      await receiver.until(() => count('/hook/witness') === 1);
      expect(paths).toEqual(['{"eventType":"large"}']);
      isOpen = true;
      await fifo.until((all) => all.length === 2);
      expect(paths).toEqual(['{"eventType":"large"}', '{"eventType":"small"}']);
      await nothingLeft(slow);
      await fifo.close();
    } finally {
      await slow.stop();
    }
  });

  it('is unfolded to its end by the next process', { timeout: 120_000 }, async () => {
    let isBegun = false;
    // It gets no further than the first chunk.
    const dying = await startTestServer(
      {},
      {
        dispatchStore: (store) => ({
          ...store,
          unfold: async (input) => {
            if (isBegun) return null;
            const chunk = await store.unfold(input);
            isBegun = chunk !== null;
            return chunk;
          },
        }),
      },
    );
    let next: TestServer | null = null;
    try {
      const app = await createApplication(dying, 'dying');
      const one = await createEndpoint(dying, app, { url: `${receiver.url}/dying` });
      await copy(one.id, 2_999, dying);
      const posted = await dying.call('POST', `${app}/msg`, { eventType: 'large', payload: {} });
      expect(posted.status).toBe(202);
      const unfolded = () => dying.sql('select unfolded from expansion');
      await eventually(unfolded, ([row]) => row.unfolded > 0);
      await dying.halt(0);
      expect((await unfolded())[0].unfolded).toBeLessThan(3_000);
      next = await startTestServer({}, {}, { databaseUrl: dying.databaseUrl });
      await nothingLeft(next);
      expect((await ends(next, posted.body.id)).endpoints).toBe(3_000);
    } finally {
      await next?.stop();
      await dying.stop();
    }
  });
});
