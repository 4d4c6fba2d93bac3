import { beforeAll, describe, expect, it } from 'vitest';
import { addApplication, addEndpoint, addMessage } from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;

const count = async (): Promise<string> => {
  const { rows } = await harness.pool.query(
    "select (select count(*) from application) || ' ' || (select count(*) from endpoint) || ' ' || (select count(*) from event_type) as n",
  );
  return rows[0].n;
};

describe('bodies that cannot be read', () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  it.each<[string, string | Uint8Array<ArrayBuffer>]>([
    ['nothing', ''],
    ['blanks', ' \n '],
    ['a cut object', '{"name":"x"'],
    ['a trailing comma', '{"name":"x",}'],
    ['single quotes', "{'name':'x'}"],
    ['NaN', '{"name":NaN}'],
    ['a leading zero', '{"name":"x","throttleRate":01}'],
    ['trailing garbage', '{"name":"x"}x'],
    ['a trailing NUL', '{"name":"x"}\u0000'],
    ['a byte order mark', '\ufeff{"name":"x"}'],
    ['depth', deep],
    ['hidden depth', `{"name":"x","metadata":${deep}}`],
    ['invalid UTF-8', Uint8Array.from([0x7b, 0x22, 0x6e, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['an overlong encoding', Uint8Array.from([0x22, 0xc0, 0xaf, 0x22])],
    ['UTF-16', Uint8Array.from(Buffer.from('{"name":"x"}', 'utf16le'))],
    ['a NUL in a string', '{"name":"a\\u0000b"}'],
    ['a lone surrogate', '{"name":"\\ud800"}'],
    ['a NUL in a key', '{"name":"x","metadata":{"a\\u0000":"b"}}'],
    ['__proto__', '{"name":"x","metadata":{"__proto__":"y"}}'],
  ])('answers 422 for %s', async (_what, raw) => {
    const before = await count();
    const reply = await call('POST', '/app', { raw });
    expect(reply.status).toBe(422);
    expect(reply.body.detail).toEqual([
      { loc: expect.arrayContaining(['body']), msg: expect.any(String), type: 'value_error.jsondecode' },
    ]);
    expect(await count()).toBe(before);
  });

  it.each<[string, unknown, string[], string]>([
    ['an array', [], ['body'], 'value_error.jsondecode'],
    ['a string', 'x', ['body'], 'value_error.jsondecode'],
    ['null', null, ['body'], 'value_error.jsondecode'],
    ['a missing name', {}, ['body', 'name'], 'value_error.jsondecode'],
    ['a name of another type', { name: 5 }, ['body', 'name'], 'value_error.jsondecode'],
    ['an empty name', { name: '' }, ['body', 'name'], 'value_error'],
    ['a big number', { name: 'x', throttleRate: 2 ** 60 }, ['body', 'throttleRate'], 'value_error'],
    ['a limit of zero', { name: 'x', throttleRate: 0 }, ['body', 'throttleRate'], 'value_error'],
    ['a negative limit', { name: 'x', rateLimit: -1 }, ['body', 'rateLimit'], 'value_error'],
    [
      'a fractional limit',
      { name: 'x', throttleRate: 1.5 },
      ['body', 'throttleRate'],
      'value_error.jsondecode',
    ],
    ['a huge limit', { name: 'x', throttleRate: 65_536 }, ['body', 'throttleRate'], 'value_error'],
    ['a uid with a NUL escape', { name: 'x', uid: 'a%00' }, ['body', 'uid', '__all__'], 'value_error'],
    ['a uid of another alphabet', { name: 'x', uid: 'ünï' }, ['body', 'uid', '__all__'], 'value_error'],
    ['a uid like an id', { name: 'x', uid: 'app_1' }, ['body', 'uid', '__all__'], 'value_error'],
    ['metadata of a list', { name: 'x', metadata: [] }, ['body', 'metadata'], 'value_error.jsondecode'],
  ])('answers 422 for %s', async (_what, body, loc, type) => {
    const reply = await call('POST', '/app', { body });
    expect(reply.status).toBe(422);
    expect(reply.body.detail[0]).toEqual({ loc, msg: expect.any(String), type });
  });

  it('names what is missing', async () => {
    expect((await call('POST', '/app', { body: {} })).body.detail[0].msg).toBe('missing field `name`');
  });

  it('answers 413 for more than 2 MiB, announced or not', async () => {
    const raw = JSON.stringify({ name: 'x'.repeat(2 * 1024 * 1024) });
    const expected = { code: 'payload_too_large', detail: 'Request payload is too large.' };
    const announced = await call('POST', '/app', { raw, headers: { 'content-length': String(raw.length) } });
    expect([announced.status, announced.body]).toEqual([413, expected]);
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        for (let i = 0; i < 3; i++) controller.enqueue(new Uint8Array(1024 * 1024));
        controller.close();
      },
    });
    const response = await harness.api.fetch(
      new Request('http://posthorn.test/api/v1/app', {
        method: 'POST',
        headers: { authorization: `Bearer ${harness.token}` },
        body: stream,
        duplex: 'half',
      }),
    );
    expect([response.status, await response.json()]).toEqual([413, expected]);
  });

  it('does not care about the content type', async () => {
    const reply = await call('POST', '/app', {
      raw: '{"name":"x"}',
      headers: { 'content-type': 'text/plain' },
    });
    expect(reply.status).toBe(201);
  });
});

describe('paths and queries', () => {
  let app: string;
  let endpoint: string;
  let message: string;
  beforeAll(async () => {
    app = await addApplication(harness);
    endpoint = await addEndpoint(harness, app);
    message = await addMessage(harness, app);
  });

  it.each([
    "'%20OR%201=1--",
    '%22;%20DROP',
    '$1',
    '%5C',
    '%00',
    '%ff',
    '%2e%2e%2fapp',
    'a%2Fb',
    'x'.repeat(10_000),
    '%F0%9F%92%A9',
    'app_nope',
    'ep_nope',
    '-1',
    'constructor',
    '__proto__',
  ])('answers 404 for the id %s', async (id) => {
    for (const path of [
      `/app/${id}`,
      `/app/${app}/endpoint/${id}`,
      `/app/${app}/msg/${id}`,
      `/app/${app}/attempt/msg/${id}`,
      `/event-type/${id}`,
      `/background-task/${id}`,
      `/app/${app}/msg/${id}/attempt/${id}`,
      `/app/${app}/endpoint/${id}/headers`,
    ]) {
      const reply = await call('GET', path);
      expect([path, reply.status, reply.body.code]).toEqual([path, 404, 'not_found']);
    }
  });

  it.each<[string, number, unknown]>([
    ['limit=abc', 400, 'generic_error'],
    ['limit=-1', 400, 'generic_error'],
    ['limit=1.5', 400, 'generic_error'],
    ['limit=1e3', 400, 'generic_error'],
    ['limit=5&limit=6', 400, 'generic_error'],
    ['before=yesterday', 400, 'generic_error'],
    ['before=2026-02-30T00:00:00Z', 400, 'generic_error'],
    ['before=2026-01-01T24:00:00Z', 400, 'generic_error'],
    ['after=275760-09-13T00:00:00Z', 400, 'generic_error'],
    ['with_content=maybe', 400, 'generic_error'],
    ['limit=251', 422, ['query', 'limit', 'limit']],
    ['limit=999999999999999', 422, ['query', 'limit', 'limit']],
    ['iterator=%00', 422, ['query', 'iterator', '__all__']],
    ["iterator='", 422, ['query', 'iterator', '__all__']],
    ['channel=a%20b', 422, ['query', 'channel', '__all__']],
    ['event_types=ok,%26', 422, ['query', 'event_types', '[1]', '__all__']],
  ])('answers ?%s as documented', async (query, status, what) => {
    const reply = await call('GET', `/app/${app}/msg?${query}`);
    expect(reply.status).toBe(status);
    expect(status === 400 ? reply.body.code : reply.body.detail[0].loc).toEqual(what);
  });

  it('tells the limit in the documented words', async () => {
    expect((await call('GET', '/app?limit=251')).body).toEqual({
      detail: [
        { loc: ['query', 'limit', 'limit'], msg: 'Given limit must not exceed 250', type: 'value_error' },
      ],
    });
  });

  it.each([
    'iterator=nonsense',
    'iterator=-msg_0',
    'iterator=',
    'a[__proto__]=1',
    '__proto__=1&constructor=2',
    'unknown=1',
    'limit=',
    'before=0001-01-01T00:00:00Z',
    'before=9999-12-31T23:59:59Z',
    'after=0001-01-01T00:00:00Z',
    'after=9999-12-31T23:59:59Z',
    'before=2026-01-01T00:00:00+00:00',
    'before=2026-01-01T00:00:00%2B00:00',
  ])('takes ?%s', async (query) => {
    for (const path of [
      `/app/${app}/msg`,
      `/app/${app}/attempt/endpoint/${endpoint}`,
      `/app/${app}/endpoint/${endpoint}/msg`,
    ]) {
      const reply = await call('GET', `${path}?${query}`);
      expect([path, reply.status, Array.isArray(reply.body.data)]).toEqual([path, 200, true]);
    }
  });

  it.each(['endpoint_id=%00', 'reason=%00', 'endpoint_id=a%20b'])(
    'refuses ?%s of dead letters',
    async (query) => {
      const reply = await call('GET', `/app/${app}/dead-letter?${query}`);
      expect([reply.status, reply.body.code]).toEqual([422, 'validation']);
    },
  );

  it('refuses a NUL in the endpoint of attempts', async () => {
    const reply = await call('GET', `/app/${app}/attempt/msg/${message}?endpoint_id=%00`);
    expect([reply.status, reply.body.detail[0].loc]).toEqual([422, ['query', 'endpoint_id', '__all__']]);
  });

  it.each(['status=5', 'status=x', 'status_code_class=150'])('refuses ?%s of attempts', async (query) => {
    const reply = await call('GET', `/app/${app}/attempt/endpoint/${endpoint}?${query}`);
    expect([400, 422]).toContain(reply.status);
  });

  it.each(['msg_x', '1.2.3.4', `${'9'.repeat(30)}.msg_${'a'.repeat(27)}.ep_${'a'.repeat(27)}.1`])(
    'refuses the dead letters’ iterator %s',
    async (iterator) => {
      const reply = await call('GET', `/app/${app}/dead-letter?iterator=${iterator}`);
      expect([reply.status, reply.body.status, reply.body.errors[0].loc]).toEqual([
        422,
        422,
        ['query', 'iterator'],
      ]);
    },
  );
});

describe('routes', () => {
  it.each(['/nothing', '/app/x/nothing', '/app/x/endpoint/y/z/w', '//', '/%'])(
    'answers an unknown path %s with JSON',
    async (path) => {
      const reply = await call('GET', path);
      expect([reply.status, reply.body.code]).toEqual([404, 'route_not_found']);
      expect(reply.body.detail).toContain('openapi.json');
    },
  );

  it.each<[string, string, string]>([
    ['DELETE', '/app', 'GET, HEAD, POST'],
    ['POST', '/app/x', 'GET, HEAD, PUT, PATCH, DELETE'],
    ['PUT', '/app/x/msg', 'GET, HEAD, POST'],
    ['PATCH', '/health', 'GET, HEAD'],
  ])('answers %s %s with 405 and what is allowed', async (method, path, allow) => {
    const reply = await call(method, path);
    expect([reply.status, reply.body.code]).toEqual([405, 'method_not_allowed']);
    expect(reply.headers.get('allow')!.split(', ').toSorted()).toEqual(allow.split(', ').toSorted());
  });

  it('answers health, HEAD too, without a token', async () => {
    const ok = { status: 'ok' };
    expect((await call('GET', '/health', { token: null })).body).toEqual({
      database: ok,
      queue: ok,
      cache: ok,
    });
    expect((await call('GET', '/health/ping', { token: null })).status).toBe(204);
    for (const path of ['/health', '/health/ping/']) {
      const head = await call('HEAD', path, { token: null });
      expect([head.status < 300, head.text]).toEqual([true, '']);
    }
    expect((await call('GET', '/egress-ips', { token: null })).body).toEqual({ ips: ['192.0.2.1'] });
  });

  it('lets any page call it', async () => {
    const preflight = await call('OPTIONS', '/app', {
      headers: { 'access-control-request-headers': 'authorization,x-a' },
    });
    expect(preflight.status).toBe(200);
    expect(Object.fromEntries(preflight.headers)).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': '*',
      'access-control-allow-headers': 'authorization,x-a',
      'access-control-max-age': '600',
    });
    for (const path of ['/app', '/nothing', '/health/ping']) {
      expect((await call('GET', path)).headers.get('access-control-allow-origin')).toBe('*');
    }
  });

  it('serves its own description', async () => {
    const document = await call('GET', '/openapi.json', { token: null });
    expect(document.body.openapi).toBe('3.1.0');
    expect(document.body.paths['/api/v1/app/{app_id}/endpoint'].post.operationId).toBe('v1.endpoint.create');
    expect(document.body.paths['/api/v1/app/{app_id}/msg'].post.operationId).toBe('v1.message.create');
    expect(document.body.components.securitySchemes.HTTPBearer).toMatchObject({
      type: 'http',
      scheme: 'bearer',
    });
  });
});

it('has broken nothing on the way', () => {
  expect(harness.reported).toEqual([]);
});
