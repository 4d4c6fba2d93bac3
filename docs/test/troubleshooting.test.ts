// docs/troubleshooting.md: its commands against a real server, its tables against the source.
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { handlerStatus, refusalStatus, sign, standardWebhooks } from '@posthorn/receiver';
import { webhooks } from '@posthorn/receiver/handler';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  attemptsOf,
  createApplication,
  createEndpoint,
  type Json,
  postMessage,
  type Receiver,
  startReceiver,
  startTestServer,
  type TestServer,
} from '../../packages/server/test/journey/harness.ts';
import { commandsOf, describePage, repository, runLine } from './page.ts';

const folder = mkdtempSync(join(tmpdir(), 'posthorn-docs-'));
let server: TestServer;
let receiver: Receiver;
let env: Record<string, string>;
let message = '';

beforeAll(async () => {
  // The message's only attempt fails, so that there is a dead letter to be found.
  server = await startTestServer();
  receiver = await startReceiver((_, response) => void response.writeHead(500).end());
  const app = await createApplication(server, 'customer-1');
  await createEndpoint(server, app, { url: receiver.url, retryPolicy: [] });
  message = await postMessage(server, app, 'invoice.paid');
  await attemptsOf(server, app, message, ({ length }) => length === 1);
  env = { POSTHORN_URL: server.url, POSTHORN_TOKEN: server.token, HOME: folder };
});
afterAll(async () => {
  await receiver?.close();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const run = (line: string): Promise<string> => runLine(line, env, folder);

describePage('docs/troubleshooting.md', {
  'posthorn doctor': async (text) => expect(await run(text.trim())).toContain('reachability'),

  'posthorn tail --status failed': async (text) => {
    const [tail = '', attempts = '', ...more] = commandsOf(text);
    expect(more).toEqual([]);
    expect(await run(tail)).toContain(message);
    expect(await run(attempts.replace('MESSAGE', message))).toContain('500');
  },

  'posthorn replay --since 2h --dry-run': async (text) => {
    expect(await run(text.trim())).toMatch(/\b1\b/);
    expect(receiver.arrivals).toHaveLength(1);
  },

  'posthorn endpoints list': async (text) => expect(await run(text)).toContain(receiver.url),
  'posthorn messages list': async (text) => expect(await run(text)).toContain(message),
});

describePage('docs/receiver/errors.md', {
  '"error": "timestamp_too_old"': async (text) => {
    const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
    const receive = webhooks({ source: standardWebhooks(secret), handle: () => {} });
    const headers = await sign('{}', secret, { id: 'msg_1', nowMs: Date.now() - 412_000 });
    const answer = await receive(new Request('http://test', { method: 'POST', headers, body: '{}' }));
    const shown: Json = JSON.parse(text);
    const given = (await answer.json()) as Json;
    const start = shown.message.replace('…', '');
    expect(given).toEqual({ ...shown, message: expect.any(String), timestamp: expect.any(String) });
    expect(given.message.replace(/\d+/, '412')).toContain(start);
  },
});

describe('the tables of docs/troubleshooting.md', () => {
  const page = readFileSync(join(repository, 'docs/troubleshooting.md'), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| '));

  it.each(Object.entries({ ...refusalStatus, ...handlerStatus }))('have the code %s', (code, status) => {
    const prefix = `| [${code}](receiver/errors.md#${code}) | ${status} | `;
    expect(rows.filter((row) => row.startsWith(prefix))).toHaveLength(1);
  });

  it('have every cause of an attempt', () => {
    const text = ['classify', 'lookup', 'attempter', 'exchange', 'connect']
      .map((name) => readFileSync(join(repository, `packages/server/src/attempt/${name}.ts`), 'utf8'))
      .join('');
    const domain = readFileSync(join(repository, 'packages/server/src/domain/attempt.ts'), 'utf8');
    const reasons = /RefusedReason =([^;]*);/.exec(domain)?.[1] ?? '';
    const causes = [
      ...text.matchAll(/(?:return|code:|closed\() ?'([a-z][a-z_]*_[a-z_]+|closed|aborted)'/g),
      ...text.matchAll(/\? '([a-z]+_[a-z]+)' : code/g),
      ...reasons.matchAll(/'(\w+)'/g),
    ].map((match) => String(match[1]));
    expect(causes.length).toBeGreaterThan(30);
    const missing = causes.filter((cause) => !rows.some((row) => row.includes(`\`${cause}\``)));
    expect([...new Set(missing)]).toEqual([]);
  });

  it('link to sections that exist', () => {
    const heading = (title: string): string =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-');
    for (const [, path = '', anchor = ''] of page.matchAll(/\]\(([\w/.]+\.md)#([\w-]+)\)/g)) {
      const target = readFileSync(join(repository, 'docs', path), 'utf8');
      const anchors = [...target.matchAll(/^#+ (.*)$/gm)].map((match) => heading(match[1] ?? ''));
      expect(anchors).toContain(anchor);
    }
  });
});
