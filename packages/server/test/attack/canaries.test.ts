// A canary in every secret that Posthorn is told: it must not sing from logs, answers, metrics or rows.
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { mintToken } from '../../src/api/tokens.ts';
import { operatorToken } from '../../src/cli/sign-token.ts';
import { eventually, posthorn, run } from '../cli/posthorn.ts';
import type { Posthorn } from '../cli/child.ts';
import { startReceiver, type Receiver } from '../journey/harness.ts';
import { freePort } from '../ports.ts';
import { createTestDatabase, type TestDatabase } from '../postgres.ts';

/** Every one by its name: the bytes that must not be found, however they are written. */
const canaries = new Map<string, Buffer>();
const text = (name: string): string => {
  const value = `canary-${randomBytes(18).toString('hex')}`;
  canaries.set(name, Buffer.from(value));
  return value;
};
const symmetric = (name: string): string => {
  const key = randomBytes(32);
  canaries.set(name, key);
  return `whsec_${key.toString('base64')}`;
};
const pair = (name: string): string => {
  const seed = randomBytes(32);
  canaries.set(name, seed);
  // RFC 8410: the fixed head of an Ed25519 private key.
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  const shown = key.export({ format: 'der', type: 'spki' }).subarray(-32);
  return `whsk_${Buffer.concat([seed, shown]).toString('base64')}`;
};

/** Base64 of bytes inside of something longer: without the ends, which depend on their neighbours. */
const base64Forms = (bytes: Buffer): string[] =>
  [0, 1, 2].map((offset) => {
    const all = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    return all.slice(4, -4);
  });
/** As it is, in base64 and in hex, and each of these in the hex that PostgreSQL shows bytes in. */
const formsOf = (bytes: Buffer): string[] => {
  const base64 = base64Forms(bytes);
  const url = base64.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'));
  const written = [bytes.toString('latin1'), ...base64, ...url, bytes.toString('hex')];
  return [...written, ...written.map((form) => Buffer.from(form, 'latin1').toString('hex'))];
};
/** The names of the canaries in a text. */
const heard = (where: string): string[] => {
  const lower = where.toLowerCase();
  return [...canaries]
    .filter(([, bytes]) =>
      formsOf(bytes).some((form) => where.includes(form) || lower.includes(form.toLowerCase())),
    )
    .map(([name]) => name);
};

const role = `canary_${randomBytes(4).toString('hex')}`;
const ORG = 'org_23rb8YdGqMT0qIzpgGwdXfHirMu';
const JWT = text('POSTHORN_JWT_SECRET');
const password = text('password of DATABASE_URL');

let database: TestDatabase;
let admin: pg.Client;
let receiver: Receiver;
let server: Posthorn;
let url: string;
let token: string;
/** Every answer of the API, but for those that are there to show a secret. */
const answers: string[] = [];

beforeAll(async () => {
  receiver = await startReceiver(({ headers, body, path }, response) => {
    if (path === '/well') return void response.writeHead(200).end('fine');
    // Repeats what it got, as badly made receivers do.
    const { authorization = '', cookie = '' } = headers;
    response.writeHead(path === '/moved' ? 302 : 500, { location: `/?${authorization}`, 'x-echo': cookie });
    response.end(JSON.stringify({ headers, body: body.toString() }));
  });
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query(`create role ${role} login superuser password '${password}'`);
  const as = new URL(database.url);
  as.username = role;
  as.password = password;
  const listen = `127.0.0.1:${await freePort()}`;
  url = `http://${listen}`;
  server = posthorn(['start'], {
    env: {
      DATABASE_URL: as.href,
      POSTHORN_LISTEN: listen,
      POSTHORN_LOG_LEVEL: 'debug',
      POSTHORN_JWT_SECRET: JWT,
      POSTHORN_JWT_SECRET_OLD: text('POSTHORN_JWT_SECRET_OLD'),
      POSTHORN_MAIN_SECRET: text('POSTHORN_MAIN_SECRET'),
      POSTHORN_MAIN_SECRET_OLD: text('POSTHORN_MAIN_SECRET_OLD'),
      POSTHORN_HTTPS_ONLY: 'false',
      POSTHORN_ALLOW_SUBNETS: '127.0.0.0/8',
      POSTHORN_RETRY_SCHEDULE: '0.05',
    },
  });
  await server.said((out) => /"msg":"ready"/.exec(out));
  token = await mintToken({ secret: Buffer.from(JWT), orgId: ORG, applicationId: null, nowMs: Date.now() });
  canaries.set('token of the API', Buffer.from(token.split('.')[2]!));
});
afterAll(async () => {
  server.signal('SIGTERM');
  await server.ended;
  await receiver.close();
  await admin.query(`reassign owned by ${role} to current_user; drop owned by ${role}; drop role ${role}`);
  await admin.end();
  await database.drop();
});

let calls = 0;
const call = async (method: string, path: string, body?: unknown, by = token) => {
  const response = await fetch(`${url}${path.startsWith('/') ? path : `/api/v1/${path}`}`, {
    method,
    headers: {
      authorization: `Bearer ${by}`,
      ...(method === 'POST' ? { 'idempotency-key': `key-${calls++}` } : {}),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: body === undefined ? null : JSON.stringify(body),
  });
  return {
    status: response.status,
    text: await response.text(),
    headers: JSON.stringify([...response.headers]),
  };
};
/** A call whose answer must be silent. */
const silent = async (method: string, path: string, body?: unknown, by?: string) => {
  const answer = await call(method, path, body, by);
  answers.push(`${method} ${path}: ${answer.status} ${answer.headers} ${answer.text}`);
  return answer;
};
const idOf = (answer: { readonly text: string }): string => (JSON.parse(answer.text) as { id: string }).id;

/** All rows of all tables as text: bytes in hex. */
const rows = async (): Promise<string> => {
  const { rows: tables } = await admin.query<{ name: string }>(
    `select oid::regclass::text as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`,
  );
  const all: string[] = [];
  for (const { name } of tables) {
    const found = await admin.query<{ row: string }>(`select t::text as row from ${name} t`);
    all.push(...found.rows.map(({ row }) => `${name}: ${row}`));
  }
  return all.join('\n');
};

it('keeps every secret to itself', { timeout: 120_000 }, async () => {
  await silent('POST', 'app', { name: 'Canaries', uid: 'canaries' });
  const headers = () => ({
    Authorization: `Bearer ${text(`Authorization ${canaries.size}`)}`,
    Cookie: `session=${text(`Cookie ${canaries.size}`)}`,
    'X-Api-Key': text(`X-Api-Key ${canaries.size}`),
    'X-Auth-Token': text(`X-Auth-Token ${canaries.size}`),
  });
  const endpoints: string[] = [];
  for (const path of ['well', 'failing', 'moved', 'refused']) {
    const to =
      path === 'refused' ? `http://127.0.0.1:${await freePort()}/` : new URL(`/${path}`, receiver.url).href;
    const made = await silent('POST', 'app/canaries/endpoint', {
      url: to,
      uid: path,
      secret: symmetric(`secret of ${path}`),
      headers: headers(),
    });
    expect(made.status).toBe(201);
    endpoints.push(idOf(made));
  }
  // What is sent now goes with these; the old secret still signs too.
  for (const at of ['well', 'failing'].map((uid) => `app/canaries/endpoint/${uid}`)) {
    const rotated = await silent('POST', `${at}/secret/rotate`, { key: pair(`new secret of ${at}`) });
    expect(rotated.status).toBe(204);
    expect((await silent('PUT', `${at}/headers`, { headers: headers() })).status).toBe(204);
    expect((await silent('PATCH', `${at}/headers`, { headers: headers() })).status).toBe(204);
  }
  const shown = await call('GET', 'app/canaries/endpoint/moved/secret');
  expect(heard(shown.text)).toEqual(['secret of moved']);

  // What is refused is not repeated either.
  const refused = [
    { url: 'https://a.test/', secret: `whsec_${text('a secret in a wrong form')}!` },
    { url: 'https://a.test/', secret: text('a secret without a prefix') },
    { url: 'https://a.test/', headers: { Authorization: `${text('a header in a wrong form')}\n` } },
    { url: 'https://a.test/', headers: { Authorization: [text('a header that is a list')] } },
    { url: `https://user:${text('a password in a URL')}@a.test/` },
  ];
  for (const body of refused) expect((await silent('POST', 'app/canaries/endpoint', body)).status).toBe(422);
  expect(
    (await silent('GET', 'app', undefined, `${token.slice(0, -43)}${text('a wrong token')}`)).status,
  ).toBe(401);
  const access = await call('POST', 'auth/app-portal-access/canaries', {});
  const { token: portal } = JSON.parse(access.text) as { token: string };
  canaries.set('token of the portal', Buffer.from(portal.split('.')[2]!));
  expect((await silent('GET', 'app/canaries/endpoint', undefined, portal)).status).toBe(200);

  const messages = await Promise.all(
    Array.from({ length: 3 }, () => silent('POST', 'app/canaries/msg', { eventType: 'sung', payload: {} })),
  );
  const letters = `select count(*)::int as count from closed where state = 'dead'`;
  await eventually('dead letters', async () => (await admin.query(letters)).rows[0]?.count === 9);
  // They were told to those whom they are for.
  expect(heard(JSON.stringify(receiver.arrivals.map((arrival) => arrival.headers)))).toHaveLength(3 * 4);

  const lists = [
    'endpoint',
    'msg',
    'dead-letter',
    'stats',
    ...messages.map((one) => `attempt/msg/${idOf(one)}`),
  ];
  for (const list of lists) await silent('GET', `app/canaries/${list}`);
  for (const endpoint of endpoints) {
    const at = `app/canaries/endpoint/${endpoint}`;
    for (const path of ['', '/headers', '/stats', '/msg']) await silent('GET', `${at}${path}`);
    await silent('GET', `app/canaries/attempt/endpoint/${endpoint}?with_content=true&with_msg=true`);
  }
  const { rows: attempts } = await admin.query<{ id: string; msg_id: string }>(
    'select id, msg_id from attempt',
  );
  expect(attempts.length).toBeGreaterThan(12);
  for (const { id, msg_id } of attempts) {
    await silent('GET', `app/canaries/msg/${msg_id}/attempt/${id}`);
    await silent('GET', `app/canaries/msg/${msg_id}/attempt/${id}/headers`);
  }
  for (const path of ['auth/whoami', '/metrics', '/readyz']) await silent('GET', path);
  for (const path of ['admin/server', 'admin/cluster'])
    expect((await silent('GET', path, undefined, operatorToken(JWT, Date.now()))).status).toBe(200);

  expect(answers.filter((answer) => heard(answer).length > 0)).toEqual([]);
  // The answers were there: these are the attempts' bodies and headers.
  expect(answers.filter((answer) => answer.includes('[redacted]')).length).toBeGreaterThan(6);
  const stored = await rows();
  expect(stored.split('\n').filter((row) => heard(row).length > 0)).toEqual([]);
  expect(server.out().split('\n').length).toBeGreaterThan(attempts.length);
  expect(heard(server.out() + server.err())).toEqual([]);

  // And this would be heard.
  const [name, bytes] = [...canaries].find(([key]) => key === 'secret of well')!;
  await admin.query('update application set metadata = $1', [{ lost: bytes.toString('base64') }]);
  expect(heard(await rows())).toEqual([name]);
  await admin.query(
    `update application set metadata = '{}'; update message set payload = '\\x${bytes.toString('hex')}'`,
  );
  expect(heard(await rows())).toEqual([name]);
});

it.each([
  ['nothing listens', (secret: string) => `postgres://user:${secret}@127.0.0.1:1/posthorn`],
  ['the address has no form', (secret: string) => `postgres://user:${secret}@127.0.0.1:port/posthorn`],
  ['it is another kind of address', (secret: string) => `mysql://user:${secret}@127.0.0.1/posthorn`],
])('does not repeat the password of a database where %s', async (name, address) => {
  const env = {
    DATABASE_URL: address(text(name)),
    POSTHORN_JWT_SECRET: 'short',
    POSTHORN_MAIN_SECRET: text(`main secret where ${name}`),
  };
  for (const args of [['start'], ['migrate'], ['audit', '--json'], ['secrets', 'rotate']]) {
    const { code, out, err } = await run(args, { ...env, POSTHORN_JWT_SECRET: JWT });
    expect(code).toBe(2);
    expect(heard(out + err)).toEqual([]);
  }
});
