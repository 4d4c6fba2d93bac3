// `posthorn start` on a database of its own, for the commands that talk to a server.
import { mintToken } from '../../src/api/tokens.ts';
import { expect } from 'vitest';
import { createTestDatabase } from '../postgres.ts';
import { freePort } from '../ports.ts';
import type { Posthorn } from './child.ts';
import {
  api,
  JWT_SECRET,
  MAIN_SECRET,
  posthorn,
  run,
  temporaryDirectory,
  type RunOptions,
} from './posthorn.ts';

export type RealServer = {
  readonly url: string;
  /** The environment of commands: server, token, and places of their own. */
  readonly env: Readonly<Record<string, string>>;
  readonly databaseUrl: string;
  readonly start: () => Promise<void>;
  /** SIGKILL unless told otherwise; the database stays. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>;
  readonly call: (method: string, path: string, body?: unknown) => ReturnType<typeof api>;
  readonly close: () => Promise<void>;
};

/** The real binary, which may be killed and started again on the same port. */
export const startRealServer = async (extra: RunOptions['env'] = {}): Promise<RealServer> => {
  const database = await createTestDatabase();
  const listen = `127.0.0.1:${await freePort()}`;
  const url = `http://${listen}`;
  const home = await temporaryDirectory();
  const token = await mintToken({
    secret: Buffer.from(JWT_SECRET),
    orgId: 'org_cli',
    applicationId: null,
    nowMs: Date.now(),
  });
  let server: Posthorn | null = null;
  const start = async (): Promise<void> => {
    server = posthorn(['start'], {
      env: {
        POSTHORN_JWT_SECRET: JWT_SECRET,
        POSTHORN_MAIN_SECRET: MAIN_SECRET,
        DATABASE_URL: database.url,
        POSTHORN_LISTEN: listen,
        POSTHORN_HTTPS_ONLY: 'false',
        POSTHORN_ALLOW_SUBNETS: '127.0.0.0/8',
        POSTHORN_LEASE: '2',
        POSTHORN_STATEMENT_TIMEOUT: '1',
        ...extra,
      },
    });
    await server.said((out) => /"msg":"ready"/.exec(out));
  };
  const stop = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    server?.signal(signal);
    await server?.ended;
    server = null;
  };
  await start();
  return {
    url,
    databaseUrl: database.url,
    env: {
      POSTHORN_URL: url,
      POSTHORN_TOKEN: token,
      HOME: home,
      XDG_STATE_HOME: `${home}/state`,
      POSTHORN_DATA_DIR: `${home}/data`,
    },
    start,
    stop,
    call: (method, path, body) => api(url, token, method, path, body),
    close: async () => {
      await stop('SIGTERM');
      await database.drop();
    },
  };
};

export type Shown = Readonly<Record<string, unknown>>;

/** Commands on that server, and what they print. */
export const commandsOn = (server: () => RealServer) => {
  const cli = (...args: string[]) => run(args, server().env);
  /** The one object that a command prints with --json. */
  const json = async (...args: string[]): Promise<Shown> => {
    const { code, out, err } = await cli(...args, '--json');
    expect({ args, code, err: code === 0 ? '' : err }).toEqual({ args, code: 0, err: '' });
    expect(out.trimEnd().split('\n')).toHaveLength(1);
    return JSON.parse(out) as Shown;
  };
  const newApp = async (uid: string, to?: string): Promise<void> => {
    await json('apps', 'create', '--name', uid, '--uid', uid);
    if (to !== undefined) await json('endpoints', 'create', '--app', uid, '--uid', 'hook', '--to', to);
  };
  return { cli, json, newApp };
};
