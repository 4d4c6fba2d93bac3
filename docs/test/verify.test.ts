// Every program of docs/verify, built and run, against deliveries of a real Posthorn and against
// requests that no receiver may take.
import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  attemptsOf,
  createApplication,
  createEndpoint,
  startTestServer,
  type TestServer,
} from '../../packages/server/test/journey/harness.ts';
import { freePort } from '../../packages/server/test/ports.ts';
import { MissingProgram } from './install.ts';
import { notRun, type Program, programs } from './languages.ts';
import { type Running, start } from './running.ts';

/** Spaces, a number and escapes that no parser prints again the same way. */
const PAYLOAD = String.raw`{"invoice": 42,  "amount":1.0, "name":"Zo\u00eb ☃ \u0000"}`;
const MINUTE_MS = 60_000;

let server: TestServer;
const folders: string[] = [];
const running = new Set<Running>();

beforeAll(async () => {
  server = await startTestServer();
  const told = Object.entries(notRun).map(([file, why]) => `not run: docs/verify/${file}, because ${why}\n`);
  process.stderr.write(told.join(''));
});
afterEach(async () => {
  await Promise.all([...running].map((one) => one.kill()));
  running.clear();
});
afterAll(async () => {
  await server?.stop();
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

type Request = { readonly headers: Record<string, string>; readonly body: string | Uint8Array<ArrayBuffer> };

/** What a sender with this secret sends: signed by the official library, at any time. */
const signed = (secret: string, id: string, atMs = Date.now(), body = PAYLOAD): Request => ({
  headers: {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(atMs / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, new Date(atMs), body),
  },
  body,
});

const without = ({ headers, body }: Request, name: string): Request => ({
  headers: Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name)),
  body,
});

const withHeader = ({ headers, body }: Request, name: string, value: string): Request => ({
  headers: { ...headers, [name]: value },
  body,
});

const signatureOf = (request: Request): string => request.headers['webhook-signature'] ?? '';

/** Requests that have to be answered with 401, each wrong in one way. */
const forged = (secret: string): Record<string, Request> => {
  const right = signed(secret, 'msg_forged');
  const sameLength = 'whsec_' + Buffer.alloc(32, 7).toString('base64');
  return {
    'a changed body': { ...right, body: PAYLOAD.replace('42', '43') },
    'a body printed again': { ...right, body: JSON.stringify(JSON.parse(PAYLOAD)) },
    'another id': withHeader(right, 'webhook-id', 'msg_other'),
    'signed ten minutes ago': signed(secret, 'msg_old', Date.now() - 10 * MINUTE_MS),
    'signed in ten minutes': signed(secret, 'msg_new', Date.now() + 10 * MINUTE_MS),
    'an old one with a fresh timestamp': withHeader(
      signed(secret, 'msg_old', Date.now() - 10 * MINUTE_MS),
      'webhook-timestamp',
      String(Math.floor(Date.now() / 1000)),
    ),
    'another secret': signed(sameLength, 'msg_forged'),
    'no id': without(right, 'webhook-id'),
    'no timestamp': without(right, 'webhook-timestamp'),
    'no signature': without(right, 'webhook-signature'),
    'a timestamp that is none': withHeader(right, 'webhook-timestamp', 'yesterday'),
    'a signature without its version': withHeader(right, 'webhook-signature', signatureOf(right).slice(3)),
    'a signature cut off': withHeader(right, 'webhook-signature', signatureOf(right).slice(0, 20)),
    'a version without a signature': withHeader(right, 'webhook-signature', 'v1'),
    'a version that is not known': withHeader(
      right,
      'webhook-signature',
      signatureOf(right).replace('v1,', 'v2,'),
    ),
    'an id that is a path': signed(secret, '../msg_forged'),
    'an id with a dot': signed(secret, 'msg.forged'),
  };
};

const post = async (url: string, { headers, body }: Request): Promise<number> => {
  const response = await fetch(url, { method: 'POST', headers, body });
  await response.arrayBuffer();
  return response.status;
};

/** Only where nobody counts on it, a language whose tools are missing is passed over, saying so. */
const prepared = async (
  prepare: Program['prepare'],
  skip: (why: string) => never,
): ReturnType<Program['prepare']> => {
  try {
    return await prepare();
  } catch (error) {
    if (error instanceof MissingProgram && !process.env['CI']) skip(error.message);
    throw error;
  }
};

describe('the programs of docs/verify', () => {
  it('are all run, or it is said why not', () => {
    const verify = fileURLToPath(new URL('../verify/', import.meta.url));
    const sources = globSync('**/*.{ts,py,go,rs,java,rb,php,cs}', { cwd: verify });
    const known = [...programs.map(({ file }) => file), ...Object.keys(notRun)];
    expect(sources.toSorted()).toEqual(known.toSorted());

    const page = readFileSync(join(verify, 'README.md'), 'utf8');
    for (const file of known) expect(page).toContain(`](${file})`);
    for (const [file, why] of Object.entries(notRun)) expect(page).toContain(`](${file}) | ${why} |`);
  });

  it.for(programs)('$file', { timeout: 300_000 }, async ({ file, takesBinary, prepare }, { skip }) => {
    const commands = await prepared(prepare, skip);
    const app = await createApplication(server, file.replaceAll(/\W/g, '-'));
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/webhooks`;
    const endpoint = await createEndpoint(server, app, { url });
    const secret = (await server.call('GET', `${app}/endpoint/${endpoint.id}/secret`)).body.key;
    const inbox = await mkdtemp(join(tmpdir(), 'posthorn-docs-'));
    folders.push(inbox);
    const run = async (): Promise<Running> => {
      const one = start(commands, { WEBHOOK_SECRET: secret, PORT: String(port), INBOX: inbox });
      running.add(one);
      await one.listening(port);
      return one;
    };
    const send = async (): Promise<{ id: string; answer: unknown }> => {
      const message = `{"eventType":"invoice.paid","payload":${PAYLOAD}}`;
      const { body } = await server.call('POST', `${app}/msg`, message);
      const [attempt] = await attemptsOf(server, app, body.id, ({ length }) => length === 1);
      return { id: body.id, answer: attempt.responseStatusCode };
    };

    let program = await run();

    // A real delivery: the work gets the bytes that were posted.
    const first = await send();
    expect(first.answer).toBe(202);
    await program.saysSoon(`handled ${first.id} ${PAYLOAD}`);

    // The same message once more, signed anew, is acknowledged and not handled again.
    await server.call('POST', `${app}/msg/${first.id}/endpoint/${endpoint.id}/resend`, {});
    const attempts = await attemptsOf(server, app, first.id, ({ length }) => length === 2);
    expect(attempts[1].responseStatusCode).toBe(200);

    const answers: Record<string, number> = {};
    for (const [name, request] of Object.entries(forged(secret))) answers[name] = await post(url, request);
    expect(answers).toEqual(Object.fromEntries(Object.keys(answers).map((name) => [name, 401])));
    // Some servers close the connection while the sender is still writing.
    const tooLarge = signed(secret, 'msg_large', Date.now(), 'x'.repeat(2 << 20));
    expect(await post(url, tooLarge).catch(() => 413)).toBe(413);

    // Twenty of the same at once: one is new.
    const raced = signed(secret, 'msg_raced');
    const statuses = await Promise.all(Array.from({ length: 20 }, () => post(url, raced)));
    expect(statuses.filter((status) => status === 202)).toHaveLength(1);
    expect(statuses.filter((status) => status === 200)).toHaveLength(19);

    const ids = [first.id, 'msg_raced'];
    if (takesBinary) {
      const body = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      const now = Math.floor(Date.now() / 1000);
      const key = Buffer.from(secret.slice(6), 'base64');
      const { createHmac } = await import('node:crypto');
      const signature = createHmac('sha256', key).update(`msg_binary.${now}.`).update(body).digest('base64');
      const headers = {
        'webhook-id': 'msg_binary',
        'webhook-timestamp': String(now),
        'webhook-signature': `v1,${signature}`,
      };
      expect(await post(url, { headers, body })).toBe(202);
      ids.push('msg_binary');
    }

    // During a rotation, a receiver with the old secret goes on.
    await server.call('POST', `${app}/endpoint/${endpoint.id}/secret/rotate`, {});
    const rotated = await send();
    expect(rotated.answer).toBe(202);

    // Answered before the work, and safe: killed in between, it is done after the next start.
    await program.saysSoon(`handled msg_raced`);
    const said = program.said();
    // The first of the two keeps the worker busy, so that a slow machine has time to kill it.
    for (const id of ['msg_busy', 'msg_survivor']) expect(await post(url, signed(secret, id))).toBe(202);
    await program.kill();
    running.delete(program);
    expect(program.said()).not.toContain('handled msg_survivor');
    program = await run();
    await program.saysSoon('handled msg_survivor');
    expect(await post(url, raced)).toBe(200);
    ids.push(rotated.id, 'msg_busy', 'msg_survivor');

    // What was in work when it was killed may be handled twice; everything else once, and nothing more.
    const handled = `${said}${program.said()}`.matchAll(/handled (\S+)/g);
    expect(new Set([...handled].map(([, id]) => id))).toEqual(new Set(ids));
    expect(said.match(new RegExp(`handled ${first.id}`, 'g'))).toHaveLength(1);
    expect(said.match(/handled msg_raced/g)).toHaveLength(1);
  });

  const servers = programs.filter(({ file }) => !file.startsWith('php/'));
  it.for(servers)(
    '$file does not start without a secret',
    { timeout: 60_000 },
    async ({ prepare }, { skip }) => {
      const commands = await prepared(prepare, skip);
      const port = await freePort();
      const inbox = await mkdtemp(join(tmpdir(), 'posthorn-docs-'));
      folders.push(inbox);
      const program = start(commands, { WEBHOOK_SECRET: '', PORT: String(port), INBOX: inbox });
      running.add(program);
      expect({ code: await program.ended, said: program.said() }).not.toMatchObject({ code: 0 });
    },
  );
});
