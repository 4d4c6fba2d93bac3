// README.md: what it says to type is typed, and what it says is printed is printed.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sign } from '@posthorn/receiver';
import { afterAll, beforeAll, expect } from 'vitest';
import {
  type Receiver,
  startReceiver,
  startTestServer,
  type TestServer,
} from '../../packages/server/test/journey/harness.ts';
import { freePort } from '../../packages/server/test/ports.ts';
import { createTestDatabase } from '../../packages/server/test/postgres.ts';
import { cacheFolder, runTool } from './install.ts';
import { commandsOf, describePage, repository, runLine, startLine } from './page.ts';
import type { Running } from './running.ts';

const folder = mkdtempSync(join(tmpdir(), 'posthorn-docs-'));
const running = new Set<Running>();
const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>;
};
let server: TestServer;
let receiver: Receiver;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
/** All that `npm start` has printed. */
let printed = '';

beforeAll(async () => {
  [server, receiver, database] = await Promise.all([
    startTestServer(),
    startReceiver(),
    createTestDatabase(),
  ]);
});
afterAll(async () => {
  for (const one of running) {
    one.signal('SIGTERM');
    await one.ended;
  }
  await receiver?.close();
  await server?.stop();
  await database?.drop();
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
});

const runModule = (name: string, text: string, env: Record<string, string> = {}): Promise<string> => {
  const file = join(cacheFolder('readme'), `${name}.mjs`);
  writeFileSync(file, text);
  return runTool(process.execPath, [file], { env });
};

describePage('README.md', {
  // `npm ci` has run, or this would not; `npm test` is what runs this.
  'npm ci && npm start': async (text) => {
    expect(commandsOf(text)).toEqual(['npm ci && npm start', 'npm ci && npm test']);
    expect(scripts['test']).toContain('vitest run');
    const env = {
      POSTHORN_DATA_DIR: join(folder, 'data'),
      POSTHORN_LISTEN: `127.0.0.1:${await freePort()}`,
    };
    const dev = startLine(String(scripts['start']), env, folder);
    running.add(dev);
    await dev.saysSoon('paste both into another terminal');
    printed = dev.said();
  },

  'posthorn dev': (text) => expect(scripts['start']).toBe(text),

  'ready in 0.7 s': (text) => {
    // Numbers, ids and places differ; the words that begin the lines do not.
    const beginnings = text.split('\n').flatMap((line) => /^ +(\w+|Your token)\b/.exec(line)?.[1] ?? []);
    expect(beginnings.length).toBeGreaterThan(5);
    for (const beginning of beginnings) expect(printed).toMatch(new RegExp(`^ +${beginning}\\b`, 'm'));
  },

  "import { Svix } from 'svix'": async (text) => {
    const before = receiver.arrivals.length;
    const here = text
      .replace('http://127.0.0.1:8071', server.url)
      .replace('http://localhost:3000/webhooks', receiver.url);
    await runModule('send', here, { TOKEN: server.token });
    const arrivals = await receiver.until(({ length }) => length > before);
    expect(JSON.parse(String(arrivals[before]?.body))).toEqual({ invoice: 42 });
    // Whoever tries it tries it twice: nothing is in the way, and it comes once more, not twice.
    await runModule('send', here, { TOKEN: server.token });
    await receiver.until(({ length }) => length > before + 1);
    const endpoints = await server.call('GET', '/api/v1/app/customer-1/endpoint');
    expect(endpoints.body.data).toHaveLength(1);
  },

  'const result = await verify(rawBody': async (text) => {
    const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
    const headers = await sign('{}', secret, { id: 'msg_1' });
    const around = (body: string): string =>
      `const rawBody = '${body}'; const request = ${JSON.stringify({ headers })};
      ${text.replace('whsec_…', secret)}
      console.log(result.ok, result.id ?? result.code);`;
    expect(await runModule('verify', around('{}'))).toBe('true msg_1\n');
    expect(await runModule('verify', around('{} '))).toBe('false signature_mismatch\n');
  },

  'posthorn token create': async (text) => {
    const [start = '', create = '', ...more] = commandsOf(text).map((line) => line.replace('npx ', ''));
    expect(more).toEqual([]);
    const port = await freePort();
    const secrets = { POSTHORN_JWT_SECRET: 'a secret for the README, long enough' };
    const production = startLine(
      start
        .replace('DATABASE_URL=postgres://…', `DATABASE_URL=${database.url}`)
        .replace('POSTHORN_JWT_SECRET=…', `POSTHORN_JWT_SECRET='${secrets.POSTHORN_JWT_SECRET}'`)
        .replace('POSTHORN_MAIN_SECRET=…', `POSTHORN_MAIN_SECRET='another one, of 32 bytes at least'`),
      { POSTHORN_LISTEN: `127.0.0.1:${port}` },
      folder,
    );
    running.add(production);
    await production.listening(port);
    const token = (await runLine(create, secrets, folder)).trim();
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/app`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.status).toBe(200);
  },
});
