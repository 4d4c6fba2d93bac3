// `posthorn dev` on a PostgreSQL of one's own, with settings that change what its demo meets.
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { useTestDatabase } from '../postgres.ts';
import { freePort } from '../ports.ts';
import { devFacts, freshPlace, posthorn, run, temporaryDirectory, textOf } from './posthorn.ts';

const database = useTestDatabase();
// The database holds secrets of endpoints, encrypted with one that lies in the data directory.
let place: Awaited<ReturnType<typeof freshPlace>>;
beforeAll(async () => {
  place = await freshPlace();
});

const withDatabase = (more: Record<string, string> = {}): Record<string, string> => ({
  ...place,
  DATABASE_URL: database.url,
  ...more,
});

describe('posthorn dev on a database of its user', () => {
  it('says so, and where the secrets are', async () => {
    const env = withDatabase();
    const command = posthorn(['dev'], { env });
    const text = await command.said(textOf);
    expect(text).toContain(
      `database   your DATABASE_URL; the token's secret is in ${place.POSTHORN_DATA_DIR}\n`,
    );
    expect(text).toContain('signature verified');
    expect(text).not.toContain(new URL(database.url).password);
    command.signal('SIGINT');
    expect(await command.ended).toEqual({ code: 0, signal: null });
  });

  it.each([
    ['the other generation of headers', { POSTHORN_HEADERS: 'svix' }],
    ['the other kind of key', { POSTHORN_SIGNATURE: 'ed25519' }],
    ['no retries', { POSTHORN_RETRY_SCHEDULE: '' }],
  ])('verifies its first webhook with %s', async (_, settings) => {
    const command = posthorn(['dev', '--json'], { env: withDatabase(settings) });
    expect(await command.said(devFacts)).toMatchObject({
      postgres: null,
      demo: { kind: 'delivered', verified: true },
    });
    command.signal('SIGINT');
    expect(await command.ended).toEqual({ code: 0, signal: null });
  });

  it('runs on when its demo may not be, and says why', async () => {
    const command = posthorn(['dev'], { env: withDatabase({ POSTHORN_ALLOW_SUBNETS: '10.0.0.0/8' }) });
    const text = await command.said(textOf);
    expect(text).toMatch(/demo {7}failed: .*422.*private or reserved network/);
    command.signal('SIGINT');
    expect(await command.ended).toEqual({ code: 0, signal: null });
  });

  it('says so when the secrets are not those that it was used with, and sends nothing', async () => {
    const { POSTHORN_DATA_DIR } = await freshPlace();
    const { code, out, err } = await run(['dev'], withDatabase({ POSTHORN_DATA_DIR }));
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(
      /^posthorn: POSTHORN_MAIN_SECRET is not the one that .* are encrypted with; set that one/,
    );
  });

  it('does not wipe it', async () => {
    const { code, out, err } = await run(['dev', '--reset'], withDatabase());
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(
      /^posthorn: --reset wipes the embedded database, but DATABASE_URL names one of your own\. .*\n$/,
    );
  });

  it('says what is wrong with the address of one that is not there', async () => {
    const env = { POSTHORN_DATA_DIR: join(await temporaryDirectory(), 'data') };
    const { code, out, err } = await run(['dev'], {
      ...env,
      DATABASE_URL: `postgres://127.0.0.1:${await freePort()}/x`,
    });
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(
      /^posthorn: DATABASE_URL cannot be used: .*ECONNREFUSED.*; nothing listens there; check host and port/,
    );
  });
});
