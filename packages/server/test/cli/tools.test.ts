// The resources of a real server from the command line, and what commands say when something is wrong.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../ports.ts';
import { eventually, run } from './posthorn.ts';
import { commandsOn, startRealServer, type RealServer, type Shown } from './real-server.ts';

let server: RealServer;
beforeAll(async () => {
  server = await startRealServer();
});
afterAll(() => server.close());

const { cli, json, newApp } = commandsOn(() => server);

describe('resources', () => {
  it('are created, listed, shown, changed and deleted', async () => {
    await newApp('crud', 'http://127.0.0.1:9999/a');
    expect(await json('apps', 'update', 'crud', '--name', 'New')).toMatchObject({ name: 'New', uid: 'crud' });
    expect(await json('apps', 'get', 'crud')).toMatchObject({ name: 'New' });
    await json('event-types', 'create', '--name', 'crud.a', '--schemas', '{"1":{"type":"object"}}');
    expect(await json('event-types', 'update', 'crud.a', '--description', 'Said')).toMatchObject({
      description: 'Said',
    });
    const changed = [
      '--events',
      'crud.a',
      '--disabled',
      'true',
      '--data',
      '{"description":"d","metadata":{"a":"b"}}',
    ];
    expect(await json('endpoints', 'update', 'hook', '--app', 'crud', ...changed)).toMatchObject({
      url: 'http://127.0.0.1:9999/a',
      eventTypes: ['crud.a'],
      disabled: true,
      metadata: { a: 'b' },
    });
    expect(await json('endpoints', 'update', 'hook', '--app', 'crud', '--events', '')).toMatchObject({
      eventTypes: null,
    });
    expect(
      ((await json('endpoints', 'list', '--app', 'crud'))['data'] as Shown[]).map(({ uid }) => uid),
    ).toEqual(['hook']);
    const secret = await cli('endpoints', 'secret', 'hook', '--app', 'crud');
    expect(secret).toMatchObject({ code: 0, out: expect.stringMatching(/^whsec_\S+\n$/), err: '' });
    expect(await json('endpoints', 'delete', 'hook', '--app', 'crud')).toEqual({ deleted: 'hook' });
    expect(await cli('endpoints', 'list', '--app', 'crud')).toMatchObject({ code: 0, out: '(none)\n' });
    await json('apps', 'delete', 'crud');
    expect((await cli('apps', 'get', 'crud')).code).toBe(1);
  });

  it('are listed beyond one page', async () => {
    await newApp('pages');
    for (let count = 0; count < 3; count += 1) await cli('send', 'a', '--app', 'pages');
    expect((await json('messages', 'list', '--app', 'pages', '--limit', '2'))['data']).toHaveLength(2);
    const poster = Array.from({ length: 300 }, () =>
      server.call('POST', '/app/pages/msg', { eventType: 'b', payload: {} }),
    );
    await Promise.all(poster);
    expect((await json('messages', 'list', '--app', 'pages', '--limit', '1000'))['data']).toHaveLength(303);
    expect((await json('messages', 'list', '--app', 'pages', '--events', 'a'))['data']).toHaveLength(3);
  });
});

describe('ordering keys', () => {
  it('that a dead letter has stopped are listed and released', async () => {
    await newApp('orders', `http://127.0.0.1:${await freePort()}/`);
    const app = ['--app', 'orders'];
    const settings = ['--poison-policy', 'block', '--data', '{"retryPolicy":[]}'];
    expect(await json('endpoints', 'update', 'hook', ...app, ...settings)).toMatchObject({
      poisonPolicy: 'block',
      fifo: false,
    });
    const { id } = await json('send', 'a', '{}', ...app, '--ordering-key', 'invoice 42');
    await json('send', 'a', '{}', ...app, '--ordering-key', 'invoice 42');
    const blocked = async (): Promise<Shown[]> =>
      (await json('endpoints', 'blocked', 'hook', ...app))['data'] as Shown[];
    await eventually('a blocked key', async () => (await blocked()).length === 1);
    expect(await blocked()).toMatchObject([{ orderingKey: 'invoice 42', msgId: id, reason: 'exhausted' }]);
    const shown = await cli('endpoints', 'blocked', 'hook', ...app);
    expect(shown.out).toMatch(/orderingKey +msgId +since +reason +waiting\ninvoice 42 +msg_/);
    expect(await cli('endpoints', 'release', 'hook', ...app, '--key', 'another')).toMatchObject({
      out: '0\n',
    });
    expect(await json('endpoints', 'release', 'hook', ...app, '--key', 'invoice 42')).toEqual({
      released: 1,
    });
    // The next one dies as well, and stops it again.
    await eventually('the next one', async () => (await blocked()).some(({ msgId }) => msgId !== id));
    await json('endpoints', 'update', 'hook', ...app, '--fifo', 'true');
    expect(await cli('endpoints', 'release', 'hook', ...app)).toMatchObject({ code: 0, out: '1\n' });
  });
});

describe('what goes wrong', () => {
  it.each([
    [['apps', 'get', 'nobody'], 1, 'not_found'],
    [['endpoints', 'create', '--app', 'nobody'], 2, 'usage'],
    [['endpoints', 'create', '--app', 'nobody', '--to', 'http://127.0.0.1:1/'], 1, 'not_found'],
    [['send', 'a', 'no json', '--app', 'nobody'], 2, 'usage'],
    [['send', 'a', '@/nowhere', '--app', 'nobody'], 2, 'no_file'],
    [['send', 'a b', '{}', '--app', 'nobody'], 1, 'invalid'],
    [['endpoints', 'blocked', 'x', '--app', 'nobody'], 1, 'not_found'],
    [['endpoints', 'create', '--app', 'x', '--to', 'http://a.test', '--fifo', 'yes'], 2, 'usage'],
    [['apps', 'update', 'x'], 2, 'usage'],
    [['tail', '--since', 'never'], 2, 'usage'],
    [['tail', '--limit', '0'], 2, 'usage'],
    [['apps', 'create', '--name', 'x', '--uid', 'other'], 1, 'already_there'],
    [['replay'], 2, 'usage'],
    [['simulate', 'receiver', 'x'], 2, 'usage'],
    [['completion', 'powershell'], 2, 'usage'],
    [['apps', 'list', '--url', 'nonsense'], 2, 'usage'],
  ])('%j ends with %i and %s', async (args, code, error) => {
    await newApp('other').catch(() => {});
    const machine = await cli(...args, '--json');
    expect(machine.code).toBe(code);
    expect((JSON.parse(machine.out) as { error: Shown }).error).toMatchObject({
      code: error,
      message: expect.any(String),
    });
    const person = await cli(...args);
    expect(person).toMatchObject({ code, out: '', err: expect.stringMatching(/^posthorn: /) });
  });

  it('is a server that is not there, a token that is missing or wrong, an application that is not named', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`;
    expect(await cli('apps', 'list', '--url', nobody)).toMatchObject({
      code: 3,
      err: expect.stringContaining(`no answer from ${nobody} (ECONNREFUSED)`),
    });
    const { POSTHORN_TOKEN: _, ...env } = server.env;
    expect(await run(['apps', 'list'], env)).toMatchObject({
      code: 2,
      err: expect.stringContaining('POSTHORN_TOKEN is not set'),
    });
    const wrong = await run(['apps', 'list'], { ...env, POSTHORN_TOKEN: 'x' });
    expect(wrong).toMatchObject({
      code: 1,
      err: expect.stringContaining('Is POSTHORN_TOKEN of this server?'),
    });
    await newApp('one');
    await newApp('two');
    expect(await cli('endpoints', 'list')).toMatchObject({
      code: 2,
      err: expect.stringContaining('Name one with --app'),
    });
    expect(await run(['endpoints', 'list'], { ...server.env, POSTHORN_APP: 'two' })).toMatchObject({
      code: 0,
    });
  });

  it('is a name that is taken, with what to do', async () => {
    await newApp('taken', 'http://127.0.0.1:9999/');
    const again = await cli(
      'endpoints',
      'create',
      '--app',
      'taken',
      '--uid',
      'hook',
      '--to',
      'http://127.0.0.1:9998/',
    );
    expect(again).toMatchObject({ code: 1, out: '' });
    expect(again.err).toContain('hook is there already');
    expect(again.err).toContain('posthorn endpoints update hook --app taken');
    const { err } = await cli('tail', '--limit', '0');
    expect(err).toContain('--limit must be a whole number from 1 on; "0" is not');
    expect(err).not.toContain('Infinity');
  });

  it('is not the address of the API instead of the server', async () => {
    await newApp('by-api');
    const { code, out } = await cli('apps', 'get', 'by-api', '--url', `${server.url}/api/v1/`, '--json');
    expect({ code, app: (JSON.parse(out) as Shown)['uid'] }).toEqual({ code: 0, app: 'by-api' });
  });

  it('is a mistyped command or flag', async () => {
    expect((await cli('lisen', '3000')).code).toBe(2);
    expect((await cli('apps', 'list', '--nonsense')).code).toBe(2);
    expect((await cli('listen')).code).toBe(2);
  });
});
