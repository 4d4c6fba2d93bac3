// docs/testing.md: its tests are run, and its commands in order against a real `posthorn dev`.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verify } from '@posthorn/receiver';
import { afterAll, beforeAll, expect } from 'vitest';
import { type Arrival, type Receiver, startReceiver } from '../../packages/server/test/journey/harness.ts';
import { freePort } from '../../packages/server/test/ports.ts';
import { cacheFolder, runTool } from './install.ts';
import { commandsOf, describePage, repository, runLine, snippetsOf, startLine } from './page.ts';
import type { Running } from './running.ts';

const folder = mkdtempSync(join(tmpdir(), 'posthorn-docs-'));
const running = new Set<Running>();
let env: Record<string, string>;
let receiver: Receiver;
let port: string;
/** The program of docs/receiving.md. */
let served: Running;
/** Of the message that `send` posted, and of its endpoint. */
let message = '';
let endpoint = '';

beforeAll(async () => {
  receiver = await startReceiver();
  port = new URL(receiver.url).port;
  env = {
    POSTHORN_DATA_DIR: join(folder, 'data'),
    POSTHORN_LISTEN: `127.0.0.1:${await freePort()}`,
    HOME: folder,
  };
});
afterAll(async () => {
  // posthorn dev last: it stops its database itself.
  for (const one of [...running].toReversed()) {
    one.signal('SIGTERM');
    await one.ended;
  }
  await receiver?.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
});

const run = (line: string): Promise<string> => runLine(line, env, folder);
const background = async (line: string, saying: string): Promise<Running> => {
  const one = startLine(line, env, folder);
  running.add(one);
  await one.saysSoon(saying);
  return one;
};
const stop = async (one: Running): Promise<void> => {
  one.signal('SIGINT');
  await one.ended;
  running.delete(one);
};
const only = (text: string): string => commandsOf(text)[0] ?? '';
const arrived = async (id: string): Promise<Arrival> => {
  const isIt = ({ headers }: Arrival): boolean => headers['webhook-id'] === id;
  const found = (await receiver.until((arrivals) => arrivals.some(isIt))).find(isIt);
  if (found === undefined) throw new Error(`${id} has not arrived`);
  return found;
};
const idIn = (text: string): string => /\bmsg_\w+/.exec(text)?.[0] ?? '';

describePage('docs/testing.md', {
  "import { test } from 'node:test'": async (text) => {
    const file = join(cacheFolder('testing'), 'webhooks.test.mjs');
    writeFileSync(file, text);
    expect(await runTool(process.execPath, ['--test', file])).toContain('pass 2');
  },

  'signHmac(GITHUB': async (text) => {
    const file = join(cacheFolder('testing'), 'github.mjs');
    writeFileSync(file, text);
    expect(await runTool(process.execPath, [file])).toBe('true a-guid ping\n');
  },

  'posthorn dev': async (text) => void (await background(only(text), 'Your token')),

  'node server.mjs': async (text) => {
    const [create = '', serve = '', ...more] = commandsOf(text);
    expect(more).toEqual([]);
    const own = await freePort();
    const file = join(cacheFolder('testing'), 'server.mjs');
    const [program] = snippetsOf(readFileSync(join(repository, 'docs/receiving.md'), 'utf8')).filter(
      ({ text: snippet }) => snippet.includes('createServer('),
    );
    writeFileSync(file, program!.text.replace('3000', String(own)));
    await run(create.replace('3000', String(own)));
    served = startLine(serve.replace('server.mjs', file), env, folder);
    running.add(served);
    await served.listening(own);
  },

  'posthorn trigger invoice.paid': async (text) => {
    const [trigger = '', send = '', ...more] = commandsOf(text);
    expect(more).toEqual([]);
    await served.saysSoon(idIn(await run(trigger)));
    endpoint = (await run(`posthorn endpoints create --to http://localhost:${port}/webhooks`)).trim();
    message = idIn(await run(send));
    await served.saysSoon(`received ${message} { invoice: 42 }`);
    expect(String((await arrived(message)).body)).toBe('{"invoice":42}');
    await run('posthorn endpoints delete mine');
    await stop(served);
  },

  'posthorn replay MESSAGE': async (text) => {
    const before = receiver.arrivals.length;
    await run(text.replace('MESSAGE', message).replace('ENDPOINT', endpoint));
    await receiver.until((arrivals) => arrivals.length > before);
    expect(receiver.arrivals[before]?.headers['webhook-id']).toBe(message);
  },

  'posthorn verify': async (text) => {
    const { rawHeaders, body } = await arrived(message);
    const lines = rawHeaders.map((part, index) => (index % 2 === 0 ? `${part}: ` : `${part}\r\n`));
    const request = Buffer.concat([Buffer.from(`POST /hook HTTP/1.1\r\n${lines.join('')}\r\n`), body]);
    writeFileSync(join(folder, 'request.http'), request);
    expect(await run(only(text).replace('ENDPOINT', endpoint))).toContain('genuine');
  },

  'posthorn tail': async (text) => {
    const tail = await background(only(text), 'attempts of');
    await tail.saysSoon(idIn(await run('posthorn trigger invoice.paid')));
    await stop(tail);
  },

  'posthorn listen': async (text) => {
    // So that what arrives came by listening alone.
    await run(`posthorn endpoints delete ${endpoint}`);
    const listen = await background(only(text).replace('3000', port), 'forwarding');
    const id = idIn(await run('posthorn trigger invoice.paid'));
    const { body, headers, path } = await arrived(id);
    expect(path).toBe('/webhooks');
    const secret = /posthorn endpoints secret .*/.exec(listen.said())?.[0] ?? 'posthorn endpoints secret';
    expect(await verify(body, headers, (await run(secret)).trim())).toMatchObject({ ok: true, id });
    await stop(listen);
  },

  'posthorn simulate receiver --help': async (text) => {
    const help = await run(text);
    for (const mode of ['slow', 'flaky', '429', '410', '500', 'garbage', 'hang', 'reset'])
      expect(help).toContain(mode);
  },

  'posthorn simulate producer': async (text) => {
    const [simulate = '', create = '', produce = '', ...more] = commandsOf(text);
    expect(more).toEqual([]);
    const flaky = String(await freePort());
    const badly = await background(simulate.replace('4000', flaky), flaky);
    await run(create.replace('4000', flaky));
    await run(produce);
    await badly.saysSoon('503');
    await badly.saysSoon('200');
    await stop(badly);
  },

  'tools/fault-proxy': async (text) => {
    const [start = '', ...told] = commandsOf(text);
    const [listen, control] = [String(await freePort()), String(await freePort())];
    const main = join(repository, 'tools/fault-proxy/main.ts');
    const line = start.replace('tools/fault-proxy/main.ts', main).replace('5432', port);
    const proxy = startLine(line.replace('6432', listen).replace('6433', control), env, folder);
    running.add(proxy);
    await proxy.listening(Number(control));
    const ask = (timeoutMs: number): Promise<string> => {
      const signal = AbortSignal.timeout(timeoutMs);
      return fetch(`http://127.0.0.1:${listen}/hook`, { method: 'POST', body: '{}', signal }).then(
        ({ status }) => String(status),
        ({ name }: Error) => name,
      );
    };
    for (const command of told) {
      const [, method = '', body = null] =
        /^curl -X ([A-Z]+) 127\.0\.0\.1:6433(?: -d '(.*)')?$/.exec(command) ?? [];
      const { status } = await fetch(`http://127.0.0.1:${control}/`, { method, body });
      expect([command, status]).toEqual([command, 200]);
      if (command.includes('silent')) expect(await ask(500)).toBe('TimeoutError');
      if (command.includes('refused')) expect(await ask(10_000)).toBe('TypeError');
      if (method === 'DELETE') expect(await ask(10_000)).toBe('200');
    }
    await stop(proxy);
  },
});
