// `posthorn listen` as two real processes: nothing is lost, whoever of them is killed.
import { spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mintToken } from '../../src/api/tokens.ts';
import { startReceiver } from '../journey/harness.ts';
import { freePort } from '../ports.ts';
import type { Posthorn } from './child.ts';
import { eventually, JWT_SECRET, launcher, posthorn, run } from './posthorn.ts';
import { startRealServer, type RealServer } from './real-server.ts';

type Said = {
  readonly kind: string;
  readonly state?: string;
  readonly id?: string;
  readonly missed?: number;
  readonly is?: boolean;
};

const lines = (out: string): readonly Said[] =>
  out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Said);

let server: RealServer;
beforeAll(async () => {
  server = await startRealServer();
});
afterAll(() => server.close());

/** An application with a listener whose link is up. */
const listening = async (app: string, target: string, ...flags: string[]): Promise<Posthorn> => {
  const command = posthorn(['listen', target, '--app', app, '--json', ...flags], { env: server.env });
  await command.said((out) => lines(out).find(({ kind, state }) => kind === 'link' && state === 'up'));
  return command;
};

const newApp = async (uid: string): Promise<void> => {
  expect((await server.call('POST', '/app', { name: uid, uid })).status).toBe(201);
};

const post = async (app: string, payload: unknown = {}): Promise<string> => {
  const { status, body } = await server.call('POST', `/app/${app}/msg`, {
    eventType: 'user.created',
    payload,
  });
  expect(status).toBe(202);
  return body.id;
};

const portOf = (url: string): string => new URL(url).port;
const idsOf = (arrivals: readonly { headers: Record<string, unknown> }[]): string[] =>
  arrivals.map(({ headers }) => String(headers['webhook-id']));

const endOf = async (command: Posthorn): Promise<void> => {
  command.signal('SIGINT');
  expect(await command.ended).toEqual({ code: 0, signal: null });
};

describe('posthorn listen', () => {
  it('shows why a receiver refuses, and once which secret it should have', async () => {
    await newApp('refused');
    const local = await startReceiver(
      (_, response) => void response.writeHead(401).end('{"error":"signature_mismatch"}'),
    );
    const command = posthorn(['listen', portOf(local.url), '--app', 'refused'], { env: server.env });
    await command.said((out) => /link up/.exec(out));
    const ids = [await post('refused'), await post('refused')];
    await command.said((out) => (out.includes(ids[1]!) && out.trimEnd().endsWith('}') ? out : null));
    expect(command.out().match(/^ {12}\{"error":"signature_mismatch"\}$/gm)).toHaveLength(2);
    expect(command.out().match(/posthorn endpoints secret posthorn-listen --app refused$/gm)).toHaveLength(2);
    await endOf(command);
    await local.close();
  });

  it('says that the local receiver has not answered yet', async () => {
    await newApp('hangs');
    let answer = (): void => {};
    const local = await startReceiver((_, response) => {
      answer = () => void response.writeHead(200).end();
    });
    const command = await listening('hangs', portOf(local.url));
    const id = await post('hangs');
    const waiting = await command.said((out) => lines(out).find(({ kind }) => kind === 'waiting'));
    expect(waiting).toEqual({ kind: 'waiting', id, eventType: 'user.created', seconds: 3 });
    answer();
    await command.said((out) => lines(out).find(({ kind }) => kind === 'forwarded'));
    await endOf(command);
    await local.close();
  });

  it('hands on what the endpoint gets, byte for byte and header for header, with its own secret', async () => {
    await newApp('same');
    const [real, local] = [await startReceiver(), await startReceiver()];
    const endpoint = { uid: 'real', url: `${real.url}/1`, headers: { 'x-mine': 'yes' } };
    expect((await server.call('POST', '/app/same/endpoint', endpoint)).status).toBe(201);
    const command = await listening('same', `${portOf(local.url)}/hooks?a=1`, '--endpoint', 'real');
    const body = '{ "b":1.0, "a":"\\u0000é", "a":2 }';
    const response = await fetch(`${server.url}/api/v1/app/same/msg`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${server.env['POSTHORN_TOKEN']!}`,
        'content-type': 'application/json',
      },
      body: `{"eventType":"user.created","payload":${body}}`,
    });
    expect(response.status).toBe(202);
    const [[a], [b]] = await Promise.all([
      real.until((all) => all.length > 0),
      local.until((all) => all.length > 0),
    ]);
    expect(b!.body.equals(a!.body)).toBe(true);
    expect(b!.body.toString()).toBe(body);
    expect(b!.path).toBe('/hooks?a=1');
    const { body: secret } = await server.call('GET', '/app/same/endpoint/real/secret');
    new Webhook((secret as unknown as { key: string }).key).verify(
      b!.body.toString(),
      b!.headers as Record<string, string>,
    );
    const own = new Set(['host', 'connection', 'webhook-timestamp', 'webhook-signature']);
    const rest = (headers: NonNullable<typeof a>['headers']) =>
      Object.entries(headers)
        .filter(([name]) => !own.has(name))
        .toSorted(([one], [other]) => one.localeCompare(other));
    expect(rest(b!.headers)).toEqual(rest(a!.headers));
    expect(b!.headers['x-mine']).toBe('yes');
    await endOf(command);
    await Promise.all([real.close(), local.close()]);
  });

  it('loses nothing and repeats nothing when the server is killed, and tells of its link', async () => {
    await newApp('killed');
    const local = await startReceiver();
    const command = await listening('killed', portOf(local.url));
    const sent = [await post('killed'), await post('killed')];
    await local.until((all) => all.length === 2);
    for (let round = 0; round < 2; round += 1) {
      // Some are accepted and not forwarded yet when the server dies.
      sent.push(...(await Promise.all(Array.from({ length: 20 }, () => post('killed')))));
      await server.stop('SIGKILL');
      await command.said((out) => lines(out).filter(({ state }) => state === 'down')[round]);
      await server.start();
      sent.push(...(await Promise.all(Array.from({ length: 5 }, () => post('killed')))));
      await command.said((out) => lines(out).filter(({ state }) => state === 'up')[round + 1]);
    }
    await local.until((all) => all.length >= sent.length);
    sent.push(await post('killed'));
    await local.until((all) => all.length >= sent.length);
    expect(idsOf(local.arrivals).toSorted()).toEqual(sent.toSorted());
    await endOf(command);
    await local.close();
  });

  it('goes on where it was when it is killed itself, says what was missed, and can skip it', async () => {
    await newApp('gone');
    const local = await startReceiver();
    const first = await listening('gone', portOf(local.url));
    const sent = [await post('gone')];
    await first.said((out) => lines(out).find(({ id }) => id === sent[0]));
    first.signal('SIGKILL');
    await first.ended;
    for (let count = 0; count < 12; count += 1) sent.push(await post('gone'));
    const second = await listening('gone', portOf(local.url));
    expect(lines(second.out())[0]).toMatchObject({ kind: 'link', state: 'up', missed: 12 });
    await local.until((all) => new Set(idsOf(all)).size === 13);
    expect(new Set(idsOf(local.arrivals))).toEqual(new Set(sent));
    expect(idsOf(local.arrivals).slice(-12)).toEqual(sent.slice(1));
    await endOf(second);
    const skipped = await post('gone');
    const third = await listening('gone', portOf(local.url), '--replay-missed', 'no');
    const later = await post('gone');
    await local.until((all) => idsOf(all).includes(later));
    expect(idsOf(local.arrivals)).not.toContain(skipped);
    await endOf(third);
    await local.close();
  });

  it('holds events while nothing listens on the port, in their order', async () => {
    await newApp('held');
    const port = await freePort();
    const command = await listening('held', String(port));
    const sent = [await post('held'), await post('held'), await post('held')];
    await command.said((out) => lines(out).find(({ kind, is }) => kind === 'holding' && is === true));
    const got: string[] = [];
    const local: Server = createServer((request, response) => {
      got.push(String(request.headers['webhook-id']));
      request.resume();
      response.writeHead(500).end();
    });
    await new Promise<void>((resolve) => local.listen(port, 'localhost', resolve));
    await command.said((out) =>
      lines(out).filter(({ kind }) => kind === 'forwarded').length === 3 ? true : null,
    );
    expect(got).toEqual(sent);
    expect(lines(command.out())).toContainEqual(
      expect.objectContaining({ kind: 'forwarded', id: sent[0], status: 500 }),
    );
    await endOf(command);
    await new Promise((resolve) => local.close(resolve));
  });

  it('ends after --limit, and says what it did', async () => {
    await newApp('limited');
    const local = await startReceiver();
    const command = await listening('limited', portOf(local.url), '--limit', '2', '--events', 'user.created');
    await server.call('POST', '/app/limited/msg', { eventType: 'other', payload: {} });
    const sent = [await post('limited'), await post('limited'), await post('limited')];
    expect(await command.ended).toEqual({ code: 0, signal: null });
    expect(idsOf(local.arrivals)).toEqual(sent.slice(0, 2));
    expect(lines(command.out()).at(-1)).toEqual({ kind: 'ended', forwarded: 2, failed: 0 });
    const rest = await listening('limited', portOf(local.url), '--limit', '1', '--events', 'user.created');
    await rest.ended;
    expect(idsOf(local.arrivals)).toEqual(sent);
    await local.close();
  });

  it('speaks to people on their terminal', async () => {
    await newApp('text');
    const command = posthorn(['listen', '1/x', '--app', 'text'], { env: server.env });
    await command.said((out) =>
      out.includes('forwarding all that it subscribes to of text to http://localhost:1/x') ? out : null,
    );
    expect(command.out()).toContain('posthorn endpoints secret posthorn-listen --app text');
    const again = await run(['listen', '3000', '--app', 'text'], server.env);
    expect(again).toMatchObject({
      code: 1,
      err: expect.stringContaining('listens as posthorn-listen already'),
    });
    await endOf(command);
  });

  it.each([
    ['no', false],
    ['', true],
  ])('asks in a terminal whether to replay what was missed: %j', async (answer, isReplayed) => {
    const app = `asked-${answer}`;
    await newApp(app);
    const local = await startReceiver();
    await endOf(await listening(app, portOf(local.url)));
    const missed = await post(app);
    const line = `'${process.execPath}' '${launcher}' listen ${portOf(local.url)} --app ${app}`;
    // Ctrl-C at the question answers it neither way: it comes again.
    for (const typed of ['\u0003', `${answer}\n`]) {
      // util-linux's script gives the command a terminal.
      const terminal = spawn('script', ['-qec', line, '/dev/null'], {
        env: { PATH: process.env['PATH'], TERM: 'xterm', ...server.env },
      });
      let screen = '';
      terminal.stdout.setEncoding('utf8').on('data', (text: string) => (screen += text));
      const ended = new Promise((resolve) => terminal.once('close', resolve));
      try {
        await eventually('the question', async () =>
          screen.includes('1 missed while offline: replay? [Y/n]'),
        );
        expect(local.arrivals).toEqual([]);
        terminal.stdin.write(typed);
        if (typed !== '\u0003') {
          await eventually('the link', async () => screen.includes('link up'));
          const later = await post(app);
          await local.until((all) => idsOf(all).includes(later));
          expect(idsOf(local.arrivals)).toEqual(isReplayed ? [missed, later] : [later]);
          terminal.stdin.write('\u0003');
        }
        await ended;
      } finally {
        terminal.kill('SIGKILL');
      }
    }
    await local.close();
  });

  it('sends nothing to the endpoint that it makes', async () => {
    await newApp('quiet');
    const local = await startReceiver();
    const command = await listening('quiet', portOf(local.url));
    const id = await post('quiet');
    await local.until((all) => all.length === 1);
    expect((await server.call('GET', `/app/quiet/attempt/msg/${id}`)).body.data).toEqual([]);
    await endOf(command);
    await local.close();
  });

  it('is refused to those who may not: other tenants, consumers of other applications, deleted endpoints', async () => {
    await newApp('mine');
    await newApp('theirs');
    const { body: theirs } = await server.call('GET', '/app/theirs');
    const secret = Buffer.from(JWT_SECRET);
    const nowMs = Date.now();
    const other = await mintToken({ secret, orgId: 'org_other', applicationId: null, nowMs });
    const consumer = await mintToken({ secret, orgId: 'org_cli', applicationId: theirs.id, nowMs });
    for (const token of [other, consumer, 'nonsense']) {
      const { code, err } = await run(['listen', '3000', '--app', 'mine'], {
        ...server.env,
        POSTHORN_TOKEN: token,
      });
      expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('was refused with') });
    }
    const own = posthorn(['listen', '3000', '--json'], { env: { ...server.env, POSTHORN_TOKEN: consumer } });
    await own.said((out) => lines(out).find(({ state }) => state === 'up'));
    const [endpoint] = (await server.call('GET', '/app/theirs/endpoint')).body.data;
    expect((await server.call('DELETE', `/app/theirs/endpoint/${String(endpoint!['id'])}`)).status).toBe(204);
    expect(await own.ended).toEqual({ code: 1, signal: null });
    expect(own.out()).toContain('the endpoint was deleted');
  });

  it.each([
    ['0', 'is no local port'],
    ['https://localhost:3000', 'is no local port'],
    ['http://example.com:80/', 'is not this machine'],
    ['10.0.0.1:3000', 'is not this machine'],
  ])('does not forward to %s', async (target, why) => {
    const { code, err } = await run(['listen', target], server.env);
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(why) });
  });

  it('waits for a server that is not there, and says so', async () => {
    await newApp('later');
    const local = await startReceiver();
    const command = await listening('later', portOf(local.url));
    await server.stop('SIGTERM');
    await command.said((out) => lines(out).find(({ state }) => state === 'down'));
    await server.start();
    await command.said((out) => lines(out).filter(({ state }) => state === 'up')[1]);
    const id = await post('later');
    await eventually('its arrival', async () => local.arrivals.length > 0);
    expect(idsOf(local.arrivals)).toEqual([id]);
    await endOf(command);
    await local.close();
  });
});
