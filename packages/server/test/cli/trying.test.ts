// Simulated receivers and producers, bench, doctor and completion, against a real server.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { operatorToken } from '../../src/cli/sign-token.ts';
import { freePort } from '../ports.ts';
import { bash, devFacts, freshPlace, JWT_SECRET, launcher, posthorn, run } from './posthorn.ts';
import { commandsOn, startRealServer, type RealServer, type Shown } from './real-server.ts';

let server: RealServer;
beforeAll(async () => {
  // One attempt: what fails is a dead letter at once.
  server = await startRealServer({ POSTHORN_RETRY_SCHEDULE: '' });
});
afterAll(() => server.close());

const { cli, json, newApp } = commandsOn(() => server);

describe('simulate', () => {
  it('receives as it is told, and checks signatures', async () => {
    const port = await freePort();
    await newApp('sim', `http://127.0.0.1:${port}/`);
    const secret = (await cli('endpoints', 'secret', 'hook', '--app', 'sim')).out.trim();
    for (const [mode, cause] of [
      ['ok', 200],
      ['429', 429],
      ['500', 500],
      ['garbage', 0],
      ['reset', 0],
    ] as const) {
      const receiver = posthorn(
        [
          'simulate',
          'receiver',
          String(port),
          '--mode',
          mode,
          '--limit',
          '1',
          '--json',
          '--retry-after',
          '0',
        ],
        {
          env: { ...server.env, WEBHOOK_SECRET: secret },
        },
      );
      await receiver.said((out) => /"listening"/.exec(out));
      const { id } = await json('send', 'a', '--app', 'sim');
      expect(await receiver.ended).toEqual({ code: 0, signal: null });
      expect(JSON.parse(receiver.out().trimEnd().split('\n')[1]!)).toMatchObject({
        id,
        signature: 'verified',
      });
      const tried = await json('tail', '--app', 'sim', '--since', '1m', '--limit', '1');
      expect(tried['responseStatusCode']).toEqual(expect.any(Number));
      const attempts = (await json('messages', 'attempts', String(id), '--app', 'sim'))['data'] as Shown[];
      expect(attempts.at(-1)!['responseStatusCode']).toBe(cause);
    }
  });

  it('says that a port is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    expect(await cli('simulate', 'receiver', String(port))).toMatchObject({
      code: 1,
      err: expect.stringContaining('EADDRINUSE'),
    });
    await new Promise((resolve) => other.close(resolve));
  });

  it('produces at its rate', async () => {
    await newApp('produces');
    const facts = await json(
      'simulate',
      'producer',
      '--app',
      'produces',
      '--rate',
      '40',
      '--for',
      '1',
      '--events',
      'p,q',
    );
    expect(facts).toMatchObject({ planned: 40, accepted: 40, skipped: 0, answers: { 202: 40 } });
    expect((await json('messages', 'list', '--app', 'produces', '--events', 'q'))['data']).toHaveLength(20);
  });
});

describe('bench', () => {
  it('accounts for every message, and leaves nothing behind', async () => {
    const before = (await json('apps', 'list'))['data'] as Shown[];
    const facts = (await json('bench', '--for', '1', '--connections', '4')) as {
      accepted: number;
      delivery: Shown;
      acceptLatencyMs: Shown;
    };
    expect(facts.accepted).toBeGreaterThan(10);
    expect(facts.acceptLatencyMs['count']).toBe(facts.accepted);
    expect(facts.delivery).toMatchObject({ missing: 0 });
    expect((await json('apps', 'list'))['data']).toHaveLength(before.length);
  });
});

describe('bench, interrupted', () => {
  it('ends at once, says so, and calls nothing missing that it did not wait for', async () => {
    const bench = posthorn(['bench', '--for', '60', '--connections', '4', '--json'], { env: server.env });
    await bench.complained((err) => ((err.match(/accepted/g)?.length ?? 0) > 2 ? true : null));
    bench.signal('SIGINT');
    expect(await bench.ended).toEqual({ code: 0, signal: null });
    const facts = JSON.parse(bench.out()) as { interrupted: boolean; seconds: number; delivery: Shown };
    expect(facts.interrupted).toBe(true);
    expect(facts.seconds).toBeLessThan(60);
    expect(facts.delivery).toMatchObject({ missing: 0, inFlight: expect.any(Number) });
  });
});

describe('doctor', () => {
  const findings = (out: string) =>
    (
      JSON.parse(out) as {
        findings: { of: string; check: string; state: string; found: string; remedy: string | null }[];
      }
    ).findings;

  it('finds a healthy server healthy', async () => {
    const env = {
      ...server.env,
      DATABASE_URL: server.databaseUrl,
      POSTHORN_JWT_SECRET: 'x'.repeat(32),
      POSTHORN_MAIN_SECRET: 'y'.repeat(32),
    };
    const { code, out } = await run(['doctor', '--json', '--endpoint-url', 'https://example.com/x'], env);
    expect(findings(out).filter(({ state }) => state === 'failed')).toEqual([]);
    expect(code).toBe(0);
    const checks = findings(out)
      .filter(({ state }) => state === 'ok')
      .map(({ check }) => check);
    expect(new Set(checks)).toEqual(
      new Set(['runtime', 'configuration', 'database', 'clock', 'reachability', 'token', 'address guard']),
    );
  });

  it('judges the running server apart from the settings of the shell', async () => {
    // This shell's settings are production's; the server lets endpoints be on this machine.
    const { code, out } = await run(['doctor', '--json', '--endpoint-url', 'http://127.0.0.1:3000/'], {
      ...server.env,
      // Whoever has no secret of the server has a token of its operator.
      POSTHORN_TOKEN: operatorToken(JWT_SECRET, Date.now()),
      DATABASE_URL: server.databaseUrl,
      POSTHORN_JWT_SECRET: 'x'.repeat(32),
      POSTHORN_MAIN_SECRET: 'y'.repeat(32),
    });
    expect(code).toBe(1);
    const guards = findings(out).filter(({ check }) => check === 'address guard');
    expect(guards.map(({ of, state }) => [of, state])).toEqual([
      ['server', 'warning'],
      ['server', 'ok'],
      ['shell', 'ok'],
      ['shell', 'failed'],
    ]);
    expect(JSON.parse(out)).toMatchObject({ server: { url: server.url, by: 'by POSTHORN_URL' } });
  });

  it('asks as the operator where this shell has the secret, and says so where it has not', async () => {
    const about = (out: string) =>
      findings(out).filter(
        ({ of, check }) => of === 'server' && check !== 'clock' && check !== 'certificate',
      );
    const withSecret = { ...server.env, POSTHORN_JWT_SECRET: JWT_SECRET };
    const told = about((await run(['doctor', '--json'], withSecret)).out);
    expect(told.map(({ check }) => check)).toContain('database');
    const alone = about((await run(['doctor', '--json'], { ...withSecret, POSTHORN_TOKEN: '' })).out);
    expect(alone.find(({ check }) => check === 'token')).toMatchObject({ state: 'ok' });
    expect(alone.map(({ check }) => check)).toContain('database');
    for (const env of [server.env, { ...server.env, POSTHORN_JWT_SECRET: 'x'.repeat(32) }]) {
      const untold = about((await run(['doctor', '--json'], env)).out);
      expect(untold.map(({ check, state }) => [check, state])).toEqual([
        ['reachability', 'ok'],
        ['token', 'ok'],
        ['configuration', 'skipped'],
      ]);
      expect(untold.at(-1)!.found).toContain('posthorn token create --operator');
    }
  });

  it('finds posthorn dev by its data directory, and complains of nothing else', async () => {
    const place = await freshPlace();
    const dev = posthorn(['dev', '--json'], { env: place });
    const { url } = await dev.said(devFacts);
    const inDir = { POSTHORN_DATA_DIR: place.POSTHORN_DATA_DIR };
    const person = await run(['doctor'], inDir);
    expect(person).toMatchObject({ code: 0, err: '' });
    expect(person.out).toContain(`the server ${url} (the posthorn dev of ${place.POSTHORN_DATA_DIR})`);
    const { out } = await run(['doctor', '--json'], inDir);
    const seen = findings(out);
    expect(seen.find(({ of, check }) => of === 'server' && check === 'address guard')?.found).toContain(
      'this machine',
    );
    expect(seen.filter(({ of }) => of === 'shell').map(({ state }) => state)).toEqual(['skipped']);
    dev.signal('SIGINT');
    await dev.ended;
    const gone = await run(['doctor', '--json'], inDir);
    expect(gone.code).toBe(1);
    expect(findings(gone.out).find(({ state }) => state === 'failed')).toMatchObject({
      of: 'server',
      check: 'reachability',
      remedy: expect.stringContaining('posthorn dev'),
    });
  });

  it('says of each thing that is wrong what to do', async () => {
    const nobody = await freePort();
    const env = {
      ...server.env,
      POSTHORN_URL: `http://127.0.0.1:${nobody}`,
      DATABASE_URL: `postgres://u:p@127.0.0.1:${nobody}/x`,
      POSTHORN_JWT_SECRET: 'short',
      POSTHORN_ALLOW_SUBNETS: '127.0.0.0/8',
      POSTHORN_TLS_CERT: '/nowhere.pem',
      POSTHORN_TLS_KEY: '/nowhere.key',
    };
    const { code, out } = await run(['doctor', '--json', '--endpoint-url', 'http://169.254.169.254/'], env);
    expect(code).toBe(1);
    const ill = findings(out).filter(({ state }) => state === 'failed' || state === 'warning');
    expect(new Set(ill.map(({ check }) => check))).toEqual(
      new Set(['configuration', 'database', 'reachability', 'certificate', 'address guard']),
    );
    expect(ill.every(({ remedy }) => remedy !== null && remedy.length > 10)).toBe(true);
    expect(ill.some(({ found }) => found.includes('POSTHORN_MAIN_SECRET is not set'))).toBe(true);
  });
});

describe('completion', () => {
  const bashCompletes = async (words: readonly string[]): Promise<string[]> => {
    const line = `source <('${process.execPath}' '${launcher}' completion bash); COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _posthorn; printf '%s\n' "\${COMPREPLY[@]}"`;
    return (await bash(line)).trim().split('\n');
  };

  it('knows commands, their second words and their flags', async () => {
    expect(await bashCompletes(['posthorn', 'li'])).toEqual(['listen']);
    expect(await bashCompletes(['posthorn', 'endpoints', 'se'])).toEqual(['secret']);
    expect(await bashCompletes(['posthorn', 'listen', '3000', '--rep'])).toEqual(['--replay-missed']);
    expect(await bashCompletes(['posthorn', 'endpoints', 'secret', 'x', '--a'])).toEqual(['--app']);
  });

  it('is there for every shell', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { code, out } = await run(['completion', shell]);
      expect(code).toBe(0);
      for (const word of ['listen', 'event-types', 'start']) expect(out).toContain(word);
    }
  });
});
