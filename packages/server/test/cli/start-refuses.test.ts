// `posthorn start` refuses what is missing or unsafe: exit code 2, the variable's name, why, what to do.
import { randomBytes, randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, afterAll, describe, expect, it } from 'vitest';
import { authority, goodLeaf, leafKey } from '../certificates.ts';
import { startEmbedded, type EmbeddedPostgres } from '../../src/embedded/start.ts';
import { useTestDatabase } from '../postgres.ts';
import { freePort, occupy } from '../ports.ts';
import { freshPlace, JWT_SECRET, MAIN_SECRET, run, temporaryDirectory } from './posthorn.ts';

const database = useTestDatabase();

const refused = async (env: Record<string, string | undefined>, ...flags: string[]): Promise<string[]> => {
  const { code, out, err } = await run(['start', ...flags], {
    POSTHORN_JWT_SECRET: JWT_SECRET,
    POSTHORN_MAIN_SECRET: MAIN_SECRET,
    DATABASE_URL: database.url,
    ...env,
  });
  expect({ code, out, err }).toMatchObject({ code: 2, out: '' });
  const lines = err.trimEnd().split('\n');
  expect(lines.pop()).toBe('All settings: posthorn start --help');
  for (const secret of [JWT_SECRET, MAIN_SECRET]) expect(err).not.toContain(secret);
  return lines;
};

describe('posthorn start refuses', () => {
  it('to run without what it needs, naming all of it at once', async () => {
    const nothing = { DATABASE_URL: undefined, POSTHORN_JWT_SECRET: undefined, POSTHORN_MAIN_SECRET: '' };
    expect(await refused(nothing)).toEqual([
      'posthorn: DATABASE_URL is not set; name a PostgreSQL, or set POSTHORN_EMBEDDED=true to run the embedded one',
      'posthorn: POSTHORN_JWT_SECRET is not set; API tokens are signed with it. Try: openssl rand -hex 32',
      'posthorn: POSTHORN_MAIN_SECRET is not set; endpoint secrets are encrypted with it. Try: openssl rand -hex 32',
    ]);
  });

  it('values that are unsafe, malformed or out of range', async () => {
    expect(await refused({ POSTHORN_MAIN_SECRET: 'short' })).toEqual([
      expect.stringMatching(/^posthorn: POSTHORN_MAIN_SECRET is shorter than 32 bytes/),
    ]);
    expect(await refused({ POSTHORN_LEASE: '3', POSTHORN_STATEMENT_TIMEOUT: '2' })).toEqual([
      expect.stringMatching(
        /^posthorn: POSTHORN_STATEMENT_TIMEOUT .*POSTHORN_LEASE, 3 s.* 2 s do not fit.*; make it shorter or the lease longer$/,
      ),
    ]);
    const wrong = {
      POSTHORN_HEADERS: 'both',
      POSTHORN_HTTPS_ONLY: 'perhaps',
      POSTHORN_GRACE: '-1',
      POSTHORN_LEASE: 'long',
    };
    expect(await refused(wrong, '--headers', 'none')).toEqual([
      'posthorn: POSTHORN_HTTPS_ONLY "perhaps" is neither true nor false',
      'posthorn: POSTHORN_HEADERS "none" is none of webhook, svix, both',
      'posthorn: POSTHORN_LEASE "long" is not a number',
      'posthorn: POSTHORN_GRACE -1 is out of range: 0 to 600 seconds',
    ]);
    expect(await refused({ POSTHORN_ALLOW_SUBNETS: '10.0.0.0/8,10.0.0/8' })).toEqual([
      expect.stringMatching(/^posthorn: POSTHORN_ALLOW_SUBNETS is wrong: '10\.0\.0\/8' is not a subnet/),
    ]);
    expect(await refused({ POSTHORN_RETRY_SCHEDULE: '1,two' })).toEqual([
      expect.stringMatching(/^posthorn: POSTHORN_RETRY_SCHEDULE .*two/),
    ]);
  });

  it('files that are not there, or hold something else', async () => {
    const directory = await temporaryDirectory();
    const file = async (name: string, text: string): Promise<string> => {
      await writeFile(join(directory, name), text);
      return join(directory, name);
    };
    expect(
      await refused({ POSTHORN_JWT_SECRET: undefined, POSTHORN_JWT_SECRET_FILE: '/no/such/file' }),
    ).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^posthorn: POSTHORN_JWT_SECRET_FILE \/no\/such\/file cannot be read: ENOENT/),
      ]),
    );
    expect(await refused({ POSTHORN_JWT_SECRET_FILE: '/no/such/file' })).toEqual([
      'posthorn: POSTHORN_JWT_SECRET is set together with POSTHORN_JWT_SECRET_FILE; keep one',
    ]);
    expect(await refused({}, '--config', await file('unknown.yaml', 'lisen: 127.0.0.1:1\n'))).toEqual([
      expect.stringMatching(/^posthorn: POSTHORN_CONFIG .*unknown\.yaml: unknown key "lisen"$/),
    ]);
    const cert = await file('cert.pem', goodLeaf);
    const key = await file('key.pem', leafKey);
    expect(await refused({ POSTHORN_TLS_CERT: cert })).toEqual([
      expect.stringMatching(/POSTHORN_TLS_KEY belong together/),
    ]);
    expect(
      await refused({ POSTHORN_TLS_CERT: '/no/such.pem', POSTHORN_TLS_KEY: await file('bad.pem', 'no key') }),
    ).toEqual([
      expect.stringMatching(/^posthorn: POSTHORN_TLS_CERT \/no\/such\.pem cannot be read: ENOENT/),
      expect.stringMatching(/^posthorn: POSTHORN_TLS_KEY \S+bad\.pem holds no usable PEM/),
    ]);
    expect(
      await refused({ POSTHORN_TLS_CERT: await file('other.pem', authority), POSTHORN_TLS_KEY: key }),
    ).toEqual([
      expect.stringMatching(
        /^posthorn: POSTHORN_TLS_KEY \S+key\.pem is not the key of the certificate \S+other\.pem/,
      ),
    ]);
    expect(cert).toContain(directory);
  });

  it('an address that is taken or none', async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    const release = await occupy(Number(listen.split(':')[1]));
    expect(await refused({ POSTHORN_LISTEN: listen })).toEqual([
      `posthorn: POSTHORN_LISTEN ${listen} is in use by another program; stop it or choose another address`,
    ]);
    await release?.();
    expect(await refused({}, '--listen', '8071')).toEqual([
      'posthorn: POSTHORN_LISTEN "8071" is no address; write host:port, such as 127.0.0.1:8071',
    ]);
  });
});

describe('posthorn start refuses a database', () => {
  let unsafe: EmbeddedPostgres;
  beforeAll(async () => {
    unsafe = await startEmbedded({
      dataDir: (await freshPlace()).POSTHORN_DATA_DIR,
      preferredPort: randomInt(30_000, 32_000),
      log: () => {},
      random: randomBytes,
      settings: { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' },
    });
  });
  afterAll(() => unsafe.stop());

  it('that could lose what was acknowledged', async () => {
    expect(await refused({ DATABASE_URL: unsafe.url })).toEqual([
      'posthorn: DATABASE_URL has fsync = off: accepted messages could be lost or damaged when the machine fails; set fsync = on',
      'posthorn: DATABASE_URL has full_page_writes = off: accepted messages could be lost or damaged when the machine fails; set full_page_writes = on',
      'posthorn: DATABASE_URL has synchronous_commit = off: a message could be acknowledged and then lost; set synchronous_commit = on',
    ]);
  });

  it('that does not let it in, is not there, or cannot be meant', async () => {
    const change = (change: (url: URL) => void): string => {
      const url = new URL(unsafe.url);
      change(url);
      return url.href;
    };
    const password = `wrong-${Math.random().toString(36).slice(2)}`;
    const [wrong] = await refused({ DATABASE_URL: change((url) => (url.password = password)) });
    expect(wrong).toMatch(
      /^posthorn: DATABASE_URL cannot be used: password authentication failed for user "posthorn"; check user and password$/,
    );
    expect(wrong).not.toContain(password);
    expect(await refused({ DATABASE_URL: change((url) => (url.pathname = '/nothing')) })).toEqual([
      'posthorn: DATABASE_URL cannot be used: database "nothing" does not exist; create it (createdb), or name another one',
    ]);
    const port = await freePort();
    expect(await refused({ DATABASE_URL: `postgres://a:b@127.0.0.1:${port}/c` })).toEqual([
      `posthorn: DATABASE_URL cannot be used: connect ECONNREFUSED 127.0.0.1:${port}; nothing listens there; check host and port, and that PostgreSQL runs`,
    ]);
    expect(await refused({ DATABASE_URL: 'postgres://a:b@nowhere.invalid/c' })).toEqual([
      expect.stringMatching(
        /^posthorn: DATABASE_URL cannot be used: getaddrinfo \w+ nowhere\.invalid; .*check/,
      ),
    ]);
    expect(await refused({ DATABASE_URL: 'not a url at all' })).toEqual([
      'posthorn: DATABASE_URL is no address of a PostgreSQL; write postgres://user:password@host:5432/database',
    ]);
  });
});
