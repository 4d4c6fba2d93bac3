// What an organisation hears of its endpoints and messages, over the whole way: noted, posted, matched, signed, sent.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { operationalOrgId } from '../../src/domain/operational.ts';
import type { IngestStore } from '../../src/ingest/port.ts';
import {
  createApplication,
  createEndpoint,
  eventually,
  isSignedBy,
  postMessage,
  standingOf,
  startReceiver,
  startTestServer,
  tokenFor,
  type Arrival,
  type Receiver,
  type TestServer,
} from './harness.ts';

const PATH = '/api/v1/operational-webhook/endpoint';
type Event = { readonly type: string; readonly data: Record<string, unknown> };
const eventOf = ({ body }: Arrival): Event => JSON.parse(body.toString());
const of = (arrivals: readonly Arrival[], type: string, about: string): Event[] =>
  arrivals.map(eventOf).filter((event) => event.type === type && JSON.stringify(event.data).includes(about));

let server: TestServer;
let operator: Receiver;
let customer: Receiver;
let answers: number;
let app: string;
let appId: string;
beforeAll(async () => {
  server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '0.01,0.01,0.01,0.01,0.01' });
  operator = await startReceiver();
  customer = await startReceiver((_, response) => void response.writeHead(answers).end());
  const made = await server.call('POST', PATH, { url: operator.url, uid: 'ours' });
  expect(made.status).toBe(201);
  app = await createApplication(server, 'customer');
  appId = (await server.call('GET', app)).body.id;
});
afterAll(async () => {
  await operator.close();
  await customer.close();
  await server.stop();
});

const told = async (type: string, about: string, times = 1): Promise<Event> => {
  const arrivals = await operator.until((all) => of(all, type, about).length >= times);
  return of(arrivals, type, about).at(-1)!;
};

describe('an organisation that listens', () => {
  it('hears of its endpoints, signed like any webhook', async () => {
    answers = 200;
    const theirs = await createEndpoint(server, app, { url: customer.url, uid: 'theirs' });
    const data = { appId, appUid: 'customer', endpointId: theirs.id, endpointUid: 'theirs' };
    expect(await told('endpoint.created', theirs.id)).toEqual({ type: 'endpoint.created', data });
    const { key } = (await server.call('GET', `${PATH}/ours/secret`)).body;
    const arrival = operator.arrivals.find((one) => eventOf(one).type === 'endpoint.created')!;
    expect(isSignedBy(key, arrival)).toBe(true);
    await server.call('PATCH', `${app}/endpoint/theirs`, { disabled: true });
    await told('endpoint.disabled', theirs.id);
    await server.call('DELETE', `${app}/endpoint/theirs`);
    expect(await told('endpoint.deleted', theirs.id)).toEqual({ type: 'endpoint.deleted', data });
  });

  it('hears of a message that fails for the fourth time and then arrives', async () => {
    answers = 500;
    const theirs = await createEndpoint(server, app, {
      url: customer.url,
      retryPolicy: [0.01, 0.01, 0.01, 3600],
    });
    const { status, body } = await server.call('POST', `${app}/msg`, {
      eventType: 'a',
      payload: {},
      eventId: 'event-of-mine',
    });
    expect(status).toBe(202);
    const failing = await told('message.attempt.failing', body.id);
    const fourth = (await server.call('GET', `${app}/attempt/msg/${body.id}`)).body.data[0];
    const data = {
      appId,
      appUid: 'customer',
      msgId: body.id,
      msgEventId: 'event-of-mine',
      endpointId: theirs.id,
      lastAttempt: { id: fourth.id, responseStatusCode: 500, timestamp: fourth.timestamp },
    };
    expect(failing).toEqual({ type: 'message.attempt.failing', data });
    answers = 200;
    await server.call('POST', `${app}/msg/${body.id}/endpoint/${theirs.id}/resend`);
    const recovered = await told('message.attempt.recovered', body.id);
    const last = (await server.call('GET', `${app}/attempt/msg/${body.id}`)).body.data[0];
    expect(recovered).toEqual({
      type: 'message.attempt.recovered',
      data: {
        ...data,
        lastAttempt: { id: last.id, responseStatusCode: 200, timestamp: last.timestamp },
      },
    });
    await server.call('DELETE', `${app}/endpoint/${theirs.id}`);
  });

  it('hears of a message that is given up, and of its replay', async () => {
    answers = 503;
    const theirs = await createEndpoint(server, app, { url: customer.url, retryPolicy: [0.01] });
    const id = await postMessage(server, app, 'a');
    const exhausted = await told('message.attempt.exhausted', id);
    expect(exhausted.data).toMatchObject({
      msgId: id,
      msgEventId: null,
      endpointId: theirs.id,
      lastAttempt: { responseStatusCode: 503 },
    });
    answers = 200;
    await server.call('POST', `${app}/dead-letter/${id}/endpoint/${theirs.id}/replay`);
    await told('message.attempt.recovered', id);
    // An ordinary message is worth nothing; it is told of before whatever follows it, so it would have come.
    const ordinary = await postMessage(server, app, 'a');
    await standingOf(server, app, ordinary, theirs.id, ({ status: standing }) => standing === 0);
    await server.call('DELETE', `${app}/endpoint/${theirs.id}`);
    await told('endpoint.deleted', theirs.id);
    expect(operator.arrivals.filter(({ body }) => body.includes(ordinary))).toEqual([]);
    expect(of(operator.arrivals, 'message.attempt.exhausted', id)).toHaveLength(1);
    expect(of(operator.arrivals, 'message.attempt.recovered', id)).toHaveLength(1);
    expect(of(operator.arrivals, 'message.attempt.failing', id)).toHaveLength(0);
  });

  it('hears of an endpoint that a verdict disables', async () => {
    answers = 410;
    const theirs = await createEndpoint(server, app, { url: customer.url, retryPolicy: [] });
    await postMessage(server, app, 'a');
    await eventually(
      () => server.sql('select gone_since from lane where endpoint_id = $1', [theirs.id]),
      ([row]) => row.gone_since !== null,
    );
    // As if the first 410 had been long ago: the next one is believed.
    await server.halt(1000);
    await server.sql(
      `update lane set gone_since = gone_since - interval '1 hour', failing_since = failing_since - interval '1 hour',
        blocked_until = null, blocked_reason = null where endpoint_id = $1`,
      [theirs.id],
    );
    const again = await startTestServer({}, {}, { databaseUrl: server.databaseUrl });
    try {
      await postMessage(again, app, 'b');
      const { data } = await told('endpoint.disabled', theirs.id);
      expect(data).toEqual({
        appId,
        appUid: 'customer',
        endpointId: theirs.id,
        endpointUid: null,
        failSince: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        trigger: 'automatic',
      });
    } finally {
      await again.stop();
    }
  });
});

describe('operational events', () => {
  it('are matched by event type, retried, and cause none themselves', async () => {
    const fresh = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '0.01,0.01,0.01,0.01' });
    const refusing = await startReceiver((_, response) => void response.writeHead(500).end());
    const picky = await startReceiver();
    try {
      await fresh.call('POST', PATH, { url: refusing.url, uid: 'refusing' });
      await fresh.call('POST', PATH, { url: picky.url, eventTypes: ['endpoint.deleted'] });
      const customers = await createApplication(fresh, 'c');
      await createEndpoint(fresh, customers, { url: picky.url, uid: 'e' });
      await refusing.until((all) => all.length >= 5);
      await fresh.call('DELETE', `${customers}/endpoint/e`);
      await picky.until((all) => all.length >= 1);
      await refusing.until((all) => all.length >= 10);
      const [event] = picky.arrivals.map(eventOf);
      expect(event?.type).toBe('endpoint.deleted');
      // All five tries of both are over, and nothing is noted about them.
      await eventually(
        () => fresh.sql('select count(*)::int as n from closed'),
        ([row]) => row.n === 2,
      );
      expect(await fresh.sql('select * from operational_event')).toEqual([]);
      const types = await fresh.sql('select event_type from message where org_id = $1 order by id', [
        operationalOrgId,
      ]);
      expect(types.map((row) => row.event_type)).toEqual(['endpoint.created', 'endpoint.deleted']);
    } finally {
      await refusing.close();
      await picky.close();
      await fresh.stop();
    }
  });

  it('survive a process that dies between the answer and the posting, and are posted once', async () => {
    // The first process cannot post; the second posts, but dies before it forgets what it has posted.
    const withoutPosting = (store: IngestStore): IngestStore => ({
      ...store,
      insertMessages: async (node, batch) =>
        batch.some(({ message }) => message.orgId === operationalOrgId)
          ? { kind: 'unavailable', detail: 'planted' }
          : store.insertMessages(node, batch),
    });
    const first = await startTestServer({}, { ingestStore: withoutPosting });
    const receiver = await startReceiver();
    try {
      await first.call('POST', PATH, { url: receiver.url });
      const customers = await createApplication(first, 'c');
      const theirs = await createEndpoint(first, customers, { url: receiver.url });
      await first.halt(0);
      expect(await first.sql('select type from operational_event')).toEqual([{ type: 'endpoint.created' }]);
      await first.sql(`create function keep() returns trigger language plpgsql as 'begin return null; end'`);
      await first.sql(
        'create trigger keep before delete on operational_event for each row execute function keep()',
      );
      const second = await startTestServer({}, {}, { databaseUrl: first.databaseUrl });
      await receiver.until((all) => all.length >= 1);
      await second.stop();
      await first.sql('drop trigger keep on operational_event');
      const third = await startTestServer({}, {}, { databaseUrl: first.databaseUrl });
      await eventually(
        () => first.sql('select 1 from operational_event'),
        (rows) => rows.length === 0,
      );
      expect(await first.sql('select 1 from message where org_id = $1', [operationalOrgId])).toHaveLength(1);
      expect(receiver.arrivals.map(eventOf)).toEqual([
        {
          type: 'endpoint.created',
          data: expect.objectContaining({ endpointId: theirs.id }),
        },
      ]);
      await third.stop();
    } finally {
      await receiver.close();
      await first.stop();
    }
  });

  it('are one organisation’s own', async () => {
    const headers = { authorization: `Bearer ${await tokenFor('org_00000000000000000000000FRGN')}` };
    const fresh = await startTestServer();
    const receiver = await startReceiver();
    try {
      await fresh.call('POST', PATH, { url: receiver.url }, headers);
      const mine = await createApplication(fresh, 'mine');
      await createEndpoint(fresh, mine, { url: receiver.url });
      expect(await fresh.sql('select * from operational_event')).toEqual([]);
    } finally {
      await receiver.close();
      await fresh.stop();
    }
  });
});
