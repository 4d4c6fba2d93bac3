// The small commands, and what a mistyped one is told.
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testServer, useTestDatabase } from '../postgres.ts';
import { withDatabase } from '../test-server.ts';
import type { Posthorn } from './child.ts';
import { freePort } from '../ports.ts';
import { api, freshPlace, JWT_SECRET, MAIN_SECRET, posthorn, run } from './posthorn.ts';

const jwt = { POSTHORN_JWT_SECRET: JWT_SECRET };

describe('posthorn token create', () => {
  const database = useTestDatabase();
  let server: Posthorn;
  let url: string;
  beforeAll(async () => {
    server = posthorn(['start'], {
      env: {
        ...jwt,
        POSTHORN_MAIN_SECRET: MAIN_SECRET,
        DATABASE_URL: database.url,
        POSTHORN_LISTEN: `127.0.0.1:${await freePort()}`,
      },
    });
    url = await server.said((out) => /"url":"([^"]+)".*"msg":"ready"/.exec(out)?.[1]);
  });
  afterAll(async () => {
    server.signal('SIGTERM');
    expect(await server.ended).toEqual({ code: 0, signal: null });
  });

  const create = async (...flags: string[]): Promise<string> => {
    const { code, out, err } = await run(['token', 'create', ...flags], jwt);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    return out.trim();
  };

  it('prints a token alone, which the server takes for its tenant only', async () => {
    const token = await create();
    const { status, body: application } = await api(url, token, 'POST', '/app', {
      name: 'Mine',
      uid: 'mine',
    });
    expect(status).toBe(201);
    const other = await create('--org', 'org_another');
    expect((await api(url, other, 'GET', '/app/mine')).status).toBe(404);
    expect((await api(url, other, 'GET', '/app')).body.data).toEqual([]);

    const consumer = await create('--app', application.id);
    expect((await api(url, consumer, 'GET', `/app/${application.id}/endpoint`)).status).toBe(200);
    expect((await api(url, consumer, 'POST', '/app', { name: 'Not allowed' })).status).toBe(403);
  });

  it('prints one for whoever runs the server, which opens no tenant', async () => {
    const token = await create('--operator');
    expect((await api(url, token, 'GET', '/admin/server')).status).toBe(200);
    expect((await api(url, token, 'GET', '/app')).status).toBe(403);
    expect((await api(url, await create(), 'GET', '/admin/server')).status).toBe(403);
  });

  it('ends when it was told to', async () => {
    const claims = (token: string): { exp: number; iat: number } =>
      JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    const { exp, iat } = claims(await create('--expires', '60'));
    expect(exp - iat).toBe(60);
    const forOperator = claims(await create('--operator'));
    expect(forOperator.exp - forOperator.iat).toBe(28 * 24 * 3600);
    const short = claims(await create('--operator', '--expires', '60'));
    expect(short.exp - short.iat).toBe(60);
    const forApp = claims(await create('--app', 'app_1', '--org', 'org_1'));
    expect(forApp.exp - forApp.iat).toBe(28 * 24 * 3600);
  });

  it.each([
    [['--org', 'mycompany'], '--org must look like org_…'],
    [['--org', 'org_'], '--org must look like org_…'],
    [['--org', 'org_a b'], '--org must look like org_…'],
    [['--app', 'customer-1'], '--app must be an application id, app_…'],
    [['--operator', '--org', 'org_1'], '--operator is nobody’s token'],
    [['--operator', '--app', 'app_1'], '--operator is nobody’s token'],
    [['--expires', 'never'], '--expires must be a number of seconds above 0'],
    [['--expires', '0'], '--expires must be a number of seconds above 0'],
    [['--expires', 'Infinity'], '--expires must be a number of seconds above 0'],
  ])('refuses %j', async (flags, why) => {
    const { code, out, err } = await run(['token', 'create', ...flags], jwt);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(`posthorn: ${why}`);
  });

  it('says which secret it lacks', async () => {
    const { POSTHORN_DATA_DIR } = await freshPlace();
    const { code, out, err } = await run(['token', 'create'], { POSTHORN_DATA_DIR });
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^posthorn: POSTHORN_JWT_SECRET is not set/);
  });

  it('is what posthorn health asks', async () => {
    expect(await run(['health', '--url', `${url}/api/v1/`])).toEqual({
      code: 0,
      out: '{"status":"ready"}\n',
      err: '',
    });
    const nobody = `http://127.0.0.1:${await freePort()}`;
    expect(await run(['health', '--url', nobody])).toEqual({
      code: 3,
      out: '',
      err: `posthorn: no answer from ${nobody} (ECONNREFUSED). Is it running? Name another address with --url.\n`,
    });
  });
});

describe('posthorn migrate', () => {
  const name = `cli_${process.pid}_${Date.now()}`;
  const asAdmin = async (text: string): Promise<void> => {
    const client = new pg.Client({ connectionString: (await testServer()).adminUrl });
    await client.connect();
    try {
      await client.query(text);
    } finally {
      await client.end();
    }
  };
  beforeAll(() => asAdmin(`create database "${name}"`));
  afterAll(() => asAdmin(`drop database "${name}" with (force)`));

  it('brings an empty database up to date, whoever else does at the same time', async () => {
    const env = { DATABASE_URL: withDatabase((await testServer()).adminUrl, name) };
    const both = await Promise.all([run(['migrate'], env), run(['migrate'], env)]);
    expect(both.map(({ code, out }) => ({ code, out }))).toEqual([
      { code: 0, out: '' },
      { code: 0, out: '' },
    ]);
    const lines = both.flatMap(({ err }) => err.split('\n'));
    expect(lines.filter((line) => line === 'applied migration 001_foundation')).toHaveLength(1);
    const asJson = await run(['migrate', '--json'], env);
    expect(JSON.parse(asJson.out)).toEqual({ applied: [], version: expect.any(Number) });
    const again = await run(['migrate'], env);
    expect(again).toMatchObject({
      code: 0,
      out: '',
      err: expect.stringMatching(/^nothing to do: the schema is at version \d+\n$/),
    });
  });

  it('needs a database to work on', async () => {
    const { code, out, err } = await run(['migrate']);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(
      /^posthorn: DATABASE_URL is not set; the embedded database is migrated when the server starts\n/,
    );
    const away = await run(['migrate'], { DATABASE_URL: `postgres://127.0.0.1:${await freePort()}/x` });
    expect(away).toMatchObject({ code: 2, out: '', err: expect.stringContaining('ECONNREFUSED') });
  });
});

describe('a program that asks for JSON', () => {
  it.each([
    [['trigger', '--json']],
    [['nosuch', '--json']],
    [['health', '--json', '--nonsense']],
    [['token', 'create', '--json', '--expires', 'never']],
    [['migrate', '--json']],
  ])('is told its wrong usage in JSON: %s', async (args) => {
    const { code, out } = await run(args, jwt);
    expect(code).toBe(2);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'usage', message: expect.any(String) } });
  });

  it.each(['health', 'cluster'])('is told in JSON that no server answers: %s', async (command) => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const { code, out } = await run([command, '--json', '--url', url], jwt);
    expect(code).toBe(3);
    expect(JSON.parse(out)).toEqual({
      error: { code: 'unreachable', message: expect.stringContaining(`no answer from ${url}`), next: null },
    });
  });

  it('gets a token as JSON', async () => {
    const { out } = await run(['token', 'create', '--json'], jwt);
    expect(JSON.parse(out)).toEqual({ token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/) });
  });
});

describe('the command line', () => {
  it('explains itself on standard output', async () => {
    const { code, out, err } = await run(['--help']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const command of ['dev', 'start', 'token', 'migrate', 'health'])
      expect(out).toMatch(new RegExp(`^ {2}${command} `, 'm'));
    const start = await run(['start', '--help']);
    expect(start).toMatchObject({ code: 0, err: '' });
    for (const word of [
      '--listen',
      '[POSTHORN_LISTEN]',
      'Default: 127.0.0.1:8071',
      'DATABASE_URL',
      'POSTHORN_MAIN_SECRET',
      '_FILE',
    ])
      expect(start.out).toContain(word);
    expect(start.out).not.toContain('(preset');
    expect((await run(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [['strat'], "error: unknown command 'strat'\n(Did you mean start?)"],
    [['token', 'craete'], "error: unknown command 'craete'\n(Did you mean create?)"],
    [['start', '--lisen', 'x'], "error: unknown option '--lisen'\n(Did you mean --listen?)"],
    [['--resett'], "error: unknown option '--resett'\n(Did you mean --reset?)"],
    [['start', 'now'], "error: too many arguments for 'start'"],
    [['health', '--url'], "error: option '--url <url>' argument missing"],
  ])('tells %j what was meant', async (args, why) => {
    const { code, out, err } = await run(args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(why);
    expect(err).toContain('posthorn --help');
  });

  it('shows what token can do when that is all that was said', async () => {
    const { code, out, err } = await run(['token']);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('create');
  });
});
