// Deliveries in an order: of a key, of a whole endpoint; what stops one, and what lets it go on.
import type { ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  createApplication,
  createEndpoint,
  eventually,
  standingOf,
  startReceiver,
  startTestServer,
  type Arrival,
  type Receiver,
  type Shown,
  type TestServer,
} from './harness.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '0.2,0.2' });
});
afterAll(() => server.stop());

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

type Answer = Parameters<typeof startReceiver>[0];
const receive = async (answer?: Answer): Promise<Receiver> => {
  const receiver = await startReceiver(answer);
  ends.push(receiver.close);
  return receiver;
};

const numberOf = ({ body }: Arrival): number => (JSON.parse(body.toString()) as { n: number }).n;
const numbers = (arrivals: readonly Arrival[]): number[] => arrivals.map(numberOf);

const post = async (app: string, n: number, more: Record<string, unknown> = {}): Promise<string> => {
  const { status, body } = await server.call('POST', `${app}/msg`, {
    eventType: 'a',
    payload: { n },
    ...more,
  });
  expect({ status, body }).toMatchObject({ status: 202 });
  return body.id;
};

/** Holds every request until it is told to answer. */
const holdingReceiver = async () => {
  const held: { readonly n: number; readonly response: ServerResponse }[] = [];
  const receiver = await receive((arrival, response) => void held.push({ n: numberOf(arrival), response }));
  const answer = (n: number, status = 200): void => {
    const index = held.findIndex((one) => one.n === n);
    if (index < 0) throw new Error(`${n} is not held`);
    held.splice(index, 1)[0]!.response.writeHead(status).end();
  };
  const flying = (): number[] => held.map((one) => one.n).toSorted((a, b) => a - b);
  return { ...receiver, answer, flying };
};

/** Answers 500 to some numbers, while that is so. */
const failing = (numbersThatFail: Set<number>): Answer => {
  return (arrival, response) =>
    void response.writeHead(numbersThatFail.has(numberOf(arrival)) ? 500 : 200).end();
};

describe('a fifo endpoint', () => {
  it('gets one at a time, in the order of the posts, while another gets all at once', async () => {
    const app = await createApplication(server, 'fifo');
    const fifo = await holdingReceiver();
    const plain = await holdingReceiver();
    const { body } = { body: await createEndpoint(server, app, { url: fifo.url, fifo: true }) };
    expect(body).toMatchObject({ fifo: true, poisonPolicy: 'skip' });
    await createEndpoint(server, app, { url: plain.url });
    for (let n = 0; n < 5; n++) await post(app, n);
    await plain.until(() => plain.flying().length === 5);
    for (let n = 0; n < 5; n++) {
      await fifo.until((all) => all.length === n + 1);
      expect(fifo.flying()).toEqual([n]);
      fifo.answer(n);
    }
    expect(numbers(fifo.arrivals)).toEqual([0, 1, 2, 3, 4]);
    for (const n of plain.flying()) plain.answer(n);
  });

  it('waits for what failed, and goes on with the next once it was given up', async () => {
    const app = await createApplication(server, 'fifo-retries');
    const receiver = await receive(failing(new Set([1])));
    const endpoint = await createEndpoint(server, app, { url: receiver.url, fifo: true });
    for (let n = 0; n < 3; n++) await post(app, n);
    const arrivals = await receiver.until((all) => numbers(all).includes(2));
    expect(numbers(arrivals)).toEqual([0, 1, 1, 1, 2]);
    const letters = await server.call('GET', `${app}/dead-letter?endpoint_id=${endpoint.id}`);
    expect(letters.body['data']).toMatchObject([{ state: 'open', blocks: false, orderingKey: null }]);
  });

  it('keeps the order of a batch, however many statements it takes', async () => {
    const app = await createApplication(server, 'fifo-batch');
    const receiver = await receive();
    await createEndpoint(server, app, { url: receiver.url, fifo: true });
    // Event ids are what rows are sorted by: here against the order of the messages.
    const messages = Array.from({ length: 400 }, (_, n) => ({
      eventType: 'a',
      payload: { n, text: 'x'.repeat(n % 7 === 0 ? 20_000 : 10) },
      eventId: `event-${1000 - n}`,
    }));
    const { status, body } = await server.call('POST', `${app}/msg/batch?with_content=false`, { messages });
    expect(status).toBe(202);
    expect(new Set(body['data'].map((one: { status: number }) => one.status))).toEqual(new Set([202]));
    const arrivals = await receiver.until((all) => all.length === 400);
    expect(numbers(arrivals)).toEqual(messages.map(({ payload }) => payload.n));
  });
});

describe('messages of one ordering key', () => {
  it('go one after the other, beside those of other keys and of none', async () => {
    const app = await createApplication(server, 'keys');
    const receiver = await holdingReceiver();
    await createEndpoint(server, app, { url: receiver.url });
    const first = await post(app, 1, { orderingKey: 'Kunde 42 / é' });
    await post(app, 2, { orderingKey: 'Kunde 42 / é' });
    await post(app, 3, { transformationsParams: { posthorn: { orderingKey: 'other' } } });
    await post(app, 4);
    await receiver.until((all) => all.length === 3);
    expect(receiver.flying()).toEqual([1, 3, 4]);
    receiver.answer(3);
    receiver.answer(4);
    receiver.answer(1);
    await receiver.until((all) => all.length === 4);
    expect(receiver.flying()).toEqual([2]);
    receiver.answer(2);
    const shown = await server.call('GET', `${app}/msg/${first}`);
    expect(shown.body['orderingKey']).toBe('Kunde 42 / é');
  });

  it('keep it over the retries of the first, and hold up nobody else', async () => {
    const app = await createApplication(server, 'key-retries');
    const bad = new Set([1]);
    const receiver = await receive(failing(bad));
    await createEndpoint(server, app, { url: receiver.url });
    for (let n = 1; n <= 6; n++) await post(app, n, { orderingKey: n % 2 === 1 ? 'odd' : 'even' });
    await receiver.until((all) => numbers(all).filter((n) => n % 2 === 0).length === 3);
    bad.clear();
    const arrivals = await receiver.until((all) => numbers(all).includes(5));
    const odd = numbers(arrivals).filter((n) => n % 2 === 1);
    expect(odd).toEqual([...odd.filter((n) => n === 1), 3, 5]);
  });
});

describe('a dead letter', () => {
  const blockedOf = async (app: string, endpoint: string): Promise<Shown[]> =>
    (await server.call('GET', `${app}/endpoint/${endpoint}/blocked-key`)).body['data'];

  it('stops its key where the endpoint wants that, until somebody releases it', async () => {
    const app = await createApplication(server, 'blocking');
    const bad = new Set([1, 11]);
    const receiver = await receive(failing(bad));
    const { id } = await createEndpoint(server, app, { url: receiver.url, poisonPolicy: 'block' });
    const poison = await post(app, 1, { orderingKey: 'a' });
    const second = await post(app, 11, { orderingKey: 'b' });
    for (const n of [2, 3]) await post(app, n, { orderingKey: 'a' });
    await post(app, 12, { orderingKey: 'b' });
    await post(app, 21, { orderingKey: 'c' });
    const blocked = await eventually(
      () => blockedOf(app, id),
      (keys) => keys.length === 2,
    );
    expect(blocked).toEqual([
      {
        orderingKey: 'a',
        msgId: poison,
        eventType: 'a',
        reason: 'exhausted',
        since: expect.any(String),
        waiting: { count: 2, approximated: false },
      },
      expect.objectContaining({
        orderingKey: 'b',
        msgId: second,
        waiting: { count: 1, approximated: false },
      }),
    ]);
    const page = await server.call('GET', `${app}/endpoint/${id}/blocked-key?limit=1`);
    expect(page.body).toMatchObject({ data: [{ orderingKey: 'a' }], done: false });
    const next = await server.call(
      'GET',
      `${app}/endpoint/${id}/blocked-key?limit=1&iterator=${page.body.iterator}`,
    );
    expect(next.body).toMatchObject({ data: [{ orderingKey: 'b' }], done: true });
    const letter = await server.call('GET', `${app}/dead-letter`);
    expect(letter.body['data']).toMatchObject([{ blocks: true }, { blocks: true }]);
    expect(numbers(receiver.arrivals).filter((n) => [2, 3, 12].includes(n))).toEqual([]);

    const released = await server.call('POST', `${app}/endpoint/${id}/blocked-key/release`, {
      orderingKey: 'a',
    });
    expect(released).toMatchObject({ status: 200, body: { released: 1 } });
    await receiver.until((all) => numbers(all).includes(3));
    expect(numbers(receiver.arrivals).filter((n) => [2, 3, 12].includes(n))).toEqual([2, 3]);
    expect(await blockedOf(app, id)).toMatchObject([{ orderingKey: 'b' }]);
    const rest = await server.call('POST', `${app}/endpoint/${id}/blocked-key/release`);
    expect(rest.body).toEqual({ released: 1 });
    await receiver.until((all) => numbers(all).includes(12));
  });

  it('of a fifo endpoint stops all of it, and its replay goes first', async () => {
    const app = await createApplication(server, 'blocking-fifo');
    const bad = new Set([1]);
    const receiver = await receive(failing(bad));
    const settings = { url: receiver.url, fifo: true, poisonPolicy: 'block' };
    const { id } = await createEndpoint(server, app, settings);
    const poison = await post(app, 1);
    for (const n of [2, 3]) await post(app, n, { orderingKey: 'of no matter here' });
    await eventually(
      () => blockedOf(app, id),
      (keys) => keys.length === 1 && keys[0]!['orderingKey'] === null,
    );
    const shown = await server.call('GET', `${app}/endpoint/${id}`);
    expect(shown.body['delivering']).toMatchObject({
      state: 'blocked',
      reason: 'poison',
      since: expect.any(String),
    });
    bad.clear();
    const before = receiver.arrivals.length;
    await server.call('POST', `${app}/dead-letter/${poison}/endpoint/${id}/replay`);
    await receiver.until((all) => all.length === before + 3);
    expect(numbers(receiver.arrivals.slice(before))).toEqual([1, 2, 3]);
    expect((await server.call('GET', `${app}/endpoint/${id}`)).body['delivering']).toMatchObject({
      state: 'active',
    });
  });

  it.each<[what: string, act: (path: string) => Promise<unknown>, gets: number[]]>([
    ['that is discarded lets the next go on', (path) => server.call('POST', `${path}/discard`), [2]],
    [
      'that is replayed with another payload keeps its place',
      (path) => server.call('POST', `${path}/edit-and-replay`, { payload: { n: 7 } }),
      [7, 2],
    ],
  ])('%s', async (what, act, gets) => {
    const app = await createApplication(server, what.replaceAll(/[^a-z]+/g, '-'));
    const receiver = await receive(failing(new Set([1])));
    const { id } = await createEndpoint(server, app, { url: receiver.url, poisonPolicy: 'block' });
    const poison = await post(app, 1, { orderingKey: 'a' });
    await post(app, 2, { orderingKey: 'a' });
    await eventually(
      () => blockedOf(app, id),
      (keys) => keys.length === 1,
    );
    const before = receiver.arrivals.length;
    await act(`${app}/dead-letter/${poison}/endpoint/${id}`);
    await receiver.until((all) => all.length === before + gets.length);
    expect(numbers(receiver.arrivals.slice(before))).toEqual(gets);
  });

  it('blocks nothing any more once the endpoint is to skip', async () => {
    const app = await createApplication(server, 'to-skip');
    const receiver = await receive(failing(new Set([1])));
    const { id } = await createEndpoint(server, app, {
      url: receiver.url,
      poisonPolicy: 'block',
      fifo: true,
    });
    await post(app, 1);
    await post(app, 2);
    await eventually(
      () => blockedOf(app, id),
      (keys) => keys.length === 1,
    );
    await server.call('PATCH', `${app}/endpoint/${id}`, { poisonPolicy: 'skip' });
    await receiver.until((all) => numbers(all).includes(2));
    expect(await blockedOf(app, id)).toEqual([]);
  });
});

describe('whose turn it is', () => {
  it('changes when the first is resent by hand, canceled, or expires', async () => {
    const app = await createApplication(server, 'turns');
    const bad = new Set([1]);
    const receiver = await receive(failing(bad));
    const { id } = await createEndpoint(server, app, {
      url: receiver.url,
      fifo: true,
      retryPolicy: [3600],
    });
    const first = await post(app, 1);
    await post(app, 2);
    await receiver.until((all) => all.length === 1);
    bad.clear();
    const resent = await server.call('POST', `${app}/msg/${first}/endpoint/${id}/resend`);
    expect(resent.status).toBe(202);
    await receiver.until((all) => numbers(all).includes(2));
    expect(numbers(receiver.arrivals)).toEqual([1, 1, 2]);

    bad.add(3).add(4);
    await post(app, 3, { expiresAt: new Date(Date.now() + 2_500).toISOString() });
    await post(app, 4);
    await receiver.until((all) => numbers(all).includes(4));
    const fifth = await post(app, 5);
    const createdBefore = new Date(Date.now() + 20).toISOString();
    const canceled = await server.call('POST', `${app}/endpoint/${id}/cancel-msgs`, { createdBefore });
    expect(canceled.status).toBe(204);
    await standingOf(server, app, fifth, id, ({ status }) => status === 4);
    await post(app, 6);
    await receiver.until((all) => numbers(all).includes(6));
    expect(numbers(receiver.arrivals)).not.toContain(5);
  });

  it('is not a message’s that is scheduled: it takes its place when it is due', async () => {
    const app = await createApplication(server, 'scheduled-turns');
    const receiver = await receive();
    await createEndpoint(server, app, { url: receiver.url, fifo: true });
    await post(app, 1, { deliverAt: new Date(Date.now() + 1_500).toISOString() });
    await post(app, 2);
    await receiver.until((all) => all.length === 1);
    const arrivals = await receiver.until((all) => all.length === 2);
    expect(numbers(arrivals)).toEqual([2, 1]);
  });

  it('is kept while the endpoint is paused or disabled', async () => {
    const app = await createApplication(server, 'paused-turns');
    const receiver = await receive();
    const { id } = await createEndpoint(server, app, { url: receiver.url, fifo: true });
    await server.call('POST', `${app}/endpoint/${id}/pause`);
    for (let n = 0; n < 3; n++) await post(app, n);
    await server.call('PATCH', `${app}/endpoint/${id}`, { disabled: true });
    await server.call('POST', `${app}/endpoint/${id}/resume`);
    await server.call('PATCH', `${app}/endpoint/${id}`, { disabled: false });
    const arrivals = await receiver.until((all) => all.length === 3);
    expect(numbers(arrivals)).toEqual([0, 1, 2]);
  });
});

describe('bad input', () => {
  it.each<[value: unknown, why: string]>([
    ['', 'must be 1 to 256 characters long'],
    ['x'.repeat(257), 'must be 1 to 256 characters long'],
    ['a\nb', 'can be printed'],
    ['\ud800', 'can be printed'],
    [42, 'expected a string'],
    [['a'], 'expected a string'],
  ])('orderingKey %j is refused', async (orderingKey, why) => {
    const app = await createApplication(server, `bad-key-${String(Math.random()).slice(2)}`);
    for (const body of [
      { eventType: 'a', payload: {}, orderingKey },
      { eventType: 'a', payload: {}, transformationsParams: { posthorn: { orderingKey } } },
    ]) {
      const answer = await server.call('POST', `${app}/msg`, body);
      expect(answer.status).toBe(422);
      expect(answer.body['detail']).toMatchObject([
        { loc: ['body', 'orderingKey'], msg: expect.stringContaining(why) },
      ]);
    }
  });

  it('a policy or a fifo that is none is refused', async () => {
    const app = await createApplication(server, 'bad-policy');
    for (const wrong of [{ poisonPolicy: 'drop' }, { fifo: 'yes' }, { fifo: null }, { poisonPolicy: null }]) {
      const answer = await server.call('POST', `${app}/endpoint`, { url: 'http://127.0.0.1:9/', ...wrong });
      expect({ wrong, status: answer.status }).toEqual({ wrong, status: 422 });
      expect(answer.body['detail'][0].loc).toEqual(['body', Object.keys(wrong)[0]]);
    }
  });
});
