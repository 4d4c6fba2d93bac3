import { createHmac, createPublicKey, verify } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { mintToken } from '../../src/api/tokens.ts';
import { operatorToken } from '../../src/cli/sign-token.ts';
import { createClock, createRandom } from '../../src/clock.ts';
import { readConfig } from '../../src/config.ts';
import { createLogger, type Logger } from '../../src/observe/log.ts';
import { startServer, type RunningServer, type ServerOptions } from '../../src/server.ts';
import { createTestDatabase } from '../postgres.ts';

export const JWT_SECRET = 'a secret for journeys, long enough';
export const MAIN_SECRET = 'another secret for journeys, 32 bytes or more';
export const ORG = 'org_23rb8YdGqMT0qIzpgGwdXfHirMu';

export const tokenFor = (orgId: string = ORG, applicationId: string | null = null): Promise<string> =>
  mintToken({ secret: Buffer.from(JWT_SECRET), orgId, applicationId, nowMs: Date.now() });

/** For whoever runs the server: headers of a call. */
export const asOperator = (): { readonly authorization: string } => ({
  authorization: `Bearer ${operatorToken(JWT_SECRET, Date.now())}`,
});

/** Whatever JSON comes back: tests look into it freely. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Json = any;

/** A thing as the API shows it: what its texts are called is the same everywhere. */
export type Shown = {
  readonly id: string;
  readonly msgId: string;
  readonly endpointId: string;
  readonly key: string;
  readonly iterator: string;
  readonly prevIterator: string;
  readonly timestamp: string;
  readonly nextAttempt: string;
  readonly [name: string]: Json;
};

export type TestServer = {
  readonly url: string;
  readonly databaseUrl: string;
  readonly token: string;
  readonly running: RunningServer;
  /** Calls the API; the body as parsed JSON. */
  readonly call: (
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) => Promise<{ status: number; body: Shown; headers: Headers }>;
  /** Rows straight from the database: for what the API does not show. */
  readonly sql: (text: string, values?: unknown[]) => Promise<Json[]>;
  /** Stops the server and keeps its database. Idempotent. */
  readonly halt: (graceMs: number) => Promise<void>;
  readonly stop: () => Promise<void>;
};

export type TestServerOptions = {
  /** A database that is somebody else's to drop, such as another server's; default: an empty one. */
  readonly databaseUrl?: string;
  readonly log?: Logger;
  readonly jwtSecret?: string;
  /** The first seals. */
  readonly mainSecrets?: readonly string[];
  /** False: one of several on its database. */
  readonly alone?: boolean;
};

/** The real server on a real database, in this process. Receivers on loopback are allowed. */
export const startTestServer = async (
  env: Record<string, string> = {},
  decorate: NonNullable<ServerOptions['decorate']> = {},
  options: TestServerOptions = {},
): Promise<TestServer> => {
  const database =
    options.databaseUrl === undefined
      ? await createTestDatabase()
      : { url: options.databaseUrl, drop: () => Promise.resolve() };
  const parsed = readConfig({
    flags: {},
    env: {
      POSTHORN_LISTEN: '127.0.0.1:0',
      POSTHORN_HTTPS_ONLY: 'false',
      POSTHORN_ALLOW_SUBNETS: '127.0.0.0/8',
      POSTHORN_LOG_LEVEL: 'silent',
      POSTHORN_JWT_SECRET: JWT_SECRET,
      POSTHORN_MAIN_SECRET: MAIN_SECRET,
      ...env,
    },
  });
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.issues));
  const started = await startServer({
    config: parsed.config,
    databaseUrl: database.url,
    jwtSecrets: [Buffer.from(options.jwtSecret ?? JWT_SECRET)],
    mainSecrets: options.mainSecrets ?? [MAIN_SECRET],
    alone: options.alone ?? true,
    clock: createClock(),
    random: createRandom(),
    log: options.log ?? createLogger(parsed.config.logLevel),
    version: '0.0.0-test',
    decorate,
  });
  if (started.kind === 'failed') throw new Error(started.problem);
  const running = started.server;
  const token = await tokenFor();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  let halting: Promise<void> | undefined;
  const halt = (graceMs: number): Promise<void> => (halting ??= running.stop(graceMs));
  return {
    url: running.url,
    databaseUrl: database.url,
    token,
    running,
    call: async (method, path, body, headers = {}) => {
      const response = await fetch(running.url + path, {
        method,
        headers: { authorization: `Bearer ${token}`, ...headers },
        body:
          body === undefined
            ? null
            : typeof body === 'string' || body instanceof Uint8Array
              ? (body as NonNullable<RequestInit['body']>)
              : JSON.stringify(body),
      });
      const text = await response.text();
      return {
        status: response.status,
        body: (text === '' ? null : JSON.parse(text)) as Shown,
        headers: response.headers,
      };
    },
    sql: async (text, values = []) => (await client.query(text, values)).rows,
    halt,
    stop: async () => {
      await halt(1000);
      await client.end();
      await database.drop();
    },
  };
};

export type Arrival = {
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly atMs: number;
  readonly path: string;
};

export type Receiver = {
  readonly url: string;
  readonly arrivals: Arrival[];
  /** Resolves once the condition holds for what has arrived; checked at every arrival. */
  readonly until: (condition: (arrivals: readonly Arrival[]) => boolean) => Promise<readonly Arrival[]>;
  readonly close: () => Promise<void>;
};

/** A consumer's endpoint: keeps what arrives and answers as told (200 unless told otherwise). */
export const startReceiver = async (
  answer: (arrival: Arrival, response: ServerResponse, count: number) => void = (_, response) =>
    void response.writeHead(200).end(),
): Promise<Receiver> => {
  const arrivals: Arrival[] = [];
  const waiting = new Set<() => void>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const arrival = {
        headers: request.headers,
        rawHeaders: request.rawHeaders,
        body: Buffer.concat(chunks),
        atMs: performance.now(),
        path: request.url ?? '',
      };
      arrivals.push(arrival);
      answer(arrival, response, arrivals.length);
      for (const check of waiting) check();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    arrivals,
    until: (condition) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!condition(arrivals)) return;
          waiting.delete(check);
          resolve(arrivals);
        };
        waiting.add(check);
        check();
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

/** Asks until the answer is as wanted: for states that the server reaches in its own time. */
export const eventually = async <T>(
  ask: () => Promise<T>,
  isWanted: (answer: T) => boolean,
  withinMs = 15_000,
): Promise<T> => {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (isWanted(answer)) return answer;
    if (performance.now() > endMs) throw new Error(`still ${JSON.stringify(answer)} after ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

/** Creates an application, in the place of what an earlier try of the test may have left; answers with its path. */
export const createApplication = async (server: TestServer, uid: string): Promise<string> => {
  const create = () => server.call('POST', '/api/v1/app', { name: uid, uid });
  let { status, body } = await create();
  if (status === 409) {
    await server.call('DELETE', `/api/v1/app/${uid}`);
    ({ status, body } = await create());
  }
  if (status !== 201) throw new Error(`application ${uid}: ${status} ${JSON.stringify(body)}`);
  return `/api/v1/app/${uid}`;
};

/** Creates an endpoint below an application's path; answers with it as the API shows it. */
export const createEndpoint = async (
  server: TestServer,
  app: string,
  endpoint: Record<string, unknown>,
): Promise<Shown> => {
  const { status, body } = await server.call('POST', `${app}/endpoint`, endpoint);
  if (status !== 201) throw new Error(`endpoint: ${status} ${JSON.stringify(body)}`);
  return body;
};

/** Posts a message; answers with its id. */
export const postMessage = async (
  server: TestServer,
  app: string,
  eventType: string,
  payload: unknown = {},
): Promise<string> => {
  const { status, body } = await server.call('POST', `${app}/msg`, { eventType, payload });
  if (status !== 202) throw new Error(`message: ${status} ${JSON.stringify(body)}`);
  return body.id;
};

/** The attempts of a message, oldest first, once they are as wanted. */
export const attemptsOf = async (
  server: TestServer,
  app: string,
  messageId: string,
  areWanted: (attempts: Json[]) => boolean,
): Promise<Json[]> =>
  eventually(
    async () => (await server.call('GET', `${app}/attempt/msg/${messageId}`)).body.data.toReversed(),
    areWanted,
  );

/** Where the delivery of a message to an endpoint stands, once it is as wanted. */
export const standingOf = async (
  server: TestServer,
  app: string,
  messageId: string,
  endpointId: string,
  isWanted: (standing: Shown) => boolean,
): Promise<Shown> =>
  eventually(
    async () =>
      (await server.call('GET', `${app}/msg/${messageId}/endpoint`)).body.data.find(
        (one: Shown) => one.id === endpointId,
      ),
    isWanted,
  );

/**
 * Whether a receiver that holds this secret (`whsec_` or `whpk_`) would take the arrival for genuine:
 * Standard Webhooks' formulas by hand, for any bytes.
 */
export const isSignedBy = (secret: string, { headers, body }: Arrival, prefix = 'webhook-'): boolean => {
  const signed = Buffer.concat([
    Buffer.from(`${String(headers[`${prefix}id`])}.${String(headers[`${prefix}timestamp`])}.`),
    body,
  ]);
  const key = Buffer.from(secret.slice(secret.indexOf('_') + 1), 'base64');
  const signatures = String(headers[`${prefix}signature`]).split(' ');
  if (secret.startsWith('whsec_'))
    return signatures.includes(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
  // RFC 8410: the fixed head of an Ed25519 public key.
  const publicKey = createPublicKey({
    key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key]),
    format: 'der',
    type: 'spki',
  });
  return signatures.some(
    (one) => one.startsWith('v1a,') && verify(null, signed, publicKey, Buffer.from(one.slice(4), 'base64')),
  );
};
