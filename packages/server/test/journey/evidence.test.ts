import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  attemptsOf,
  createApplication,
  createEndpoint,
  eventually,
  postMessage,
  startReceiver,
  startTestServer,
  type Receiver,
  type TestServer,
  type Json,
  type Shown,
} from './harness.ts';

let server: TestServer;
const receivers: Receiver[] = [];
beforeAll(async () => {
  server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '' });
});
afterAll(async () => {
  await Promise.all(receivers.map((receiver) => receiver.close()));
  await server.stop();
});

/** One message to a receiver that answers so; the attempt as the API shows it. */
const tryOnce = async (
  uid: string,
  answer: Parameters<typeof startReceiver>[0],
  payload: unknown = { n: 1 },
) => {
  const receiver = await startReceiver(answer);
  receivers.push(receiver);
  const app = await createApplication(server, uid);
  const endpoint = await createEndpoint(server, app, { url: receiver.url });
  const id = await postMessage(server, app, 'evidence', payload);
  const [listed]: Shown[] = await attemptsOf(server, app, id, (all) => all.length === 1);
  const { body } = await server.call('GET', `${app}/msg/${id}/attempt/${listed!.id}`);
  return { receiver, app, endpoint, id, attempt: body, listed };
};

describe('an attempt keeps', () => {
  it('what was sent and what came back, so that nobody has to guess', async () => {
    const { receiver, id, attempt, endpoint, app } = await tryOnce('kept', (_, response) => {
      response.setHeader('X-Answer', ['one', 'two']);
      response.writeHead(503, { 'content-type': 'text/plain' }).end('out of order');
    });
    const arrival = receiver.arrivals[0]!;
    expect(attempt).toMatchObject({
      url: receiver.url,
      response: 'out of order',
      responseStatusCode: 503,
      status: 2,
      statusText: 'fail',
      triggerType: 0,
      msgId: id,
      endpointId: endpoint.id,
      cause: 'http_503',
    });
    expect(attempt.id).toMatch(/^atmpt_[0-9A-Za-z]{27}$/);
    expect(Number.isInteger(attempt.responseDurationMs)).toBe(true);
    const { evidence } = attempt;
    // Every header that the receiver saw is on record, as it was on the wire.
    const sent = new Map<string, string>(
      evidence.requestHeaders.map(([name, value]: [string, string]) => [name.toLowerCase(), value]),
    );
    for (const [name, value] of Object.entries(arrival.headers)) {
      if (name !== 'content-length' && name !== 'connection')
        expect([name, sent.get(name)]).toEqual([name, value]);
    }
    expect(evidence.responseHeaders).toEqual(
      expect.arrayContaining([
        ['content-type', 'text/plain'],
        ['X-Answer', 'one'],
        ['X-Answer', 'two'],
      ]),
    );
    expect(evidence.bodySha256).toBe(createHash('sha256').update(arrival.body).digest('hex'));
    expect(evidence.bodyBytes).toBe(arrival.body.length);
    expect(evidence.peer).toBe(new URL(receiver.url).host);
    const { connectMs, firstByteMs, totalMs, tlsMs } = evidence.phases;
    expect(tlsMs).toBeNull();
    expect(connectMs).toBeGreaterThanOrEqual(0);
    expect(firstByteMs).toBeGreaterThanOrEqual(connectMs);
    expect(totalMs).toBeGreaterThanOrEqual(firstByteMs);
    expect(evidence.result).toMatchObject({ kind: 'response', status: 503 });

    const lean = (await server.call('GET', `${app}/attempt/msg/${id}?with_content=false`)).body.data[0];
    expect(lean.response).toBe('{}');
    const withMessage = (await server.call('GET', `${app}/attempt/endpoint/${endpoint.id}?with_msg=true`))
      .body.data[0];
    // Beside its attempts a message is without its payload, as in the Svix API.
    expect(withMessage.msg).toMatchObject({ id, eventType: 'evidence', payload: {} });
  });

  it('16 KiB of a failure’s body and 1 KiB of a success’s, whatever comes', async () => {
    const long = 'a'.repeat(1024 * 1024);
    const failure = await tryOnce('long-failure', (_, response) => void response.writeHead(500).end(long));
    expect(failure.attempt.response).toBe('a'.repeat(16 * 1024));
    expect(failure.attempt).toMatchObject({ status: 2, responseStatusCode: 500 });
    const success = await tryOnce('long-success', (_, response) => void response.writeHead(200).end(long));
    expect(success.attempt.response).toBe('a'.repeat(1024));
    expect(success.attempt.status).toBe(0);
  });

  it('bodies that are no text as base64, and headers that the database could not read back', async () => {
    const bytes = Buffer.from([0xff, 0xfe, 0, 1, 0x80]);
    const { attempt } = await tryOnce('binary', (_, response) => {
      response.writeHead(500, { 'x-odd': 'caf\u00e9' }).end(bytes);
    });
    expect(Buffer.from(attempt.response, 'base64').equals(bytes)).toBe(true);
    const nul = await tryOnce('nul', (_, response) => void response.writeHead(500).end('a\0b'));
    expect(nul.attempt.response).toBe('a\0b');
  });

  it('the status although the body broke after it', async () => {
    const { attempt } = await tryOnce('broken-body', (_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half');
      setImmediate(() => response.destroy());
    });
    expect(attempt).toMatchObject({ status: 0, responseStatusCode: 200, response: 'half' });
    expect(attempt.evidence.result.bodyError).not.toBeNull();
  });

  it('its response no longer once that is deleted', async () => {
    const { attempt, app, id } = await tryOnce(
      'expunged',
      (_, response) => void response.writeHead(200).end('personal data'),
    );
    const at = `${app}/msg/${id}/attempt/${attempt.id}`;
    expect((await server.call('DELETE', `${at}/content`)).status).toBe(204);
    const after = (await server.call('GET', at)).body;
    expect(after.response).toBe('EXPUNGED');
    expect(
      JSON.stringify(
        await server.sql("select convert_from(response, 'UTF8') as response from attempt where id = $1", [
          attempt.id,
        ]),
      ),
    ).not.toContain('personal');
    expect((await server.call('DELETE', `${app}/msg/${id}/attempt/nothing/content`)).status).toBe(404);
  });
});

describe('attempts are listed', () => {
  it('by message and endpoint, status, class of code, event type, channel, tag and time, with pages', async () => {
    const receiver = await startReceiver(
      (arrival, response) => void response.writeHead(arrival.body.includes('fail') ? 418 : 200).end(),
    );
    receivers.push(receiver);
    const app = await createApplication(server, 'lists');
    const one = await createEndpoint(server, app, { url: receiver.url });
    const two = await createEndpoint(server, app, { url: receiver.url, channels: ['two'] });
    const post = async (eventType: string, payload: object, more: object = {}): Promise<string> =>
      (await server.call('POST', `${app}/msg`, { eventType, payload, ...more })).body.id;
    const good = await post('good', {}, { channels: ['two'], tags: ['tagged'] });
    const bad = await post('bad', { fail: true });
    const list = async (path: string): Promise<Json[]> =>
      (await server.call('GET', `${app}/attempt/${path}`)).body.data;
    await eventually(
      async () => [...(await list(`msg/${good}`)), ...(await list(`msg/${bad}`))],
      (all) => all.length === 3,
    );
    const idsOf = (attempts: Json[]) =>
      attempts.map(({ msgId, endpointId }) => `${String(msgId)} ${String(endpointId)}`).toSorted();
    expect(idsOf(await list(`msg/${good}`))).toEqual([`${good} ${one.id}`, `${good} ${two.id}`].toSorted());
    expect(idsOf(await list(`msg/${good}?endpoint_id=${two.id}`))).toEqual([`${good} ${two.id}`]);
    expect(idsOf(await list(`endpoint/${one.id}`))).toEqual(
      [`${bad} ${one.id}`, `${good} ${one.id}`].toSorted(),
    );
    expect(idsOf(await list(`endpoint/${one.id}?status=2`))).toEqual([`${bad} ${one.id}`]);
    expect(idsOf(await list(`endpoint/${one.id}?status=0`))).toEqual([`${good} ${one.id}`]);
    expect(idsOf(await list(`endpoint/${one.id}?status_code_class=400`))).toEqual([`${bad} ${one.id}`]);
    expect(idsOf(await list(`endpoint/${one.id}?event_types=good`))).toEqual([`${good} ${one.id}`]);
    expect(idsOf(await list(`endpoint/${one.id}?channel=two`))).toEqual([`${good} ${one.id}`]);
    expect(idsOf(await list(`endpoint/${one.id}?tag=tagged`))).toEqual([`${good} ${one.id}`]);
    expect(idsOf(await list(`endpoint/${one.id}?before=2020-01-01T00:00:00Z`))).toEqual([]);
    const first = (await server.call('GET', `${app}/attempt/endpoint/${one.id}?limit=1`)).body;
    const second = (
      await server.call('GET', `${app}/attempt/endpoint/${one.id}?limit=1&iterator=${first.iterator}`)
    ).body;
    expect([first.done, second.done]).toEqual([false, true]);
    expect(idsOf([...first.data, ...second.data])).toEqual(
      [`${bad} ${one.id}`, `${good} ${one.id}`].toSorted(),
    );
    expect(first.data[0].id > second.data[0].id).toBe(true);
    for (const query of [
      'status=9',
      'status=x',
      'limit=251',
      'limit=abc',
      'before=yesterday',
      'status_code_class=7',
      'with_content=maybe',
      'iterator=%00',
    ])
      expect([
        query,
        (await server.call('GET', `${app}/attempt/endpoint/${one.id}?${query}`)).status,
      ]).toEqual([query, expect.toSatisfy((code: number) => code === 400 || code === 422)]);
  });
});
