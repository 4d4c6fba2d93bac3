// `posthorn dev` after kill -9 of it and of its database, when it is cut short, and when it cannot start.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { readRuntime } from '../../src/embedded/runtime.ts';
import { startReceiver } from '../journey/harness.ts';
import { freePort, occupy } from '../ports.ts';
import { api, devFacts, eventually, freshPlace, postgresOf, posthorn, run, textOf } from './posthorn.ts';

const kill = (pid: number | undefined): void => void process.kill(pid ?? Number.NaN, 'SIGKILL');

describe('on one data directory', () => {
  it('goes on after kill -9 of itself, of its database and of both, with all that was accepted', async () => {
    const place = await freshPlace();
    const dataDir = place.POSTHORN_DATA_DIR;
    const first = posthorn(['dev', '--json'], { env: place });
    const { url, token, demo } = await first.said(devFacts);
    kill(first.pid);
    await first.ended;
    expect((await postgresOf(dataDir)).length).toBeGreaterThan(0);

    const second = posthorn(['dev', '--json'], { env: place });
    expect(await second.said(devFacts)).toMatchObject({ url, token });
    expect((await api(url, token, 'GET', `/app/demo/msg/${demo.messageId}`)).status).toBe(200);

    const receiver = await startReceiver();
    await api(url, token, 'POST', '/app/demo/endpoint', { url: receiver.url });
    kill((await readRuntime(dataDir)).postmaster?.pid);
    const message = await eventually('a message to be taken again', async () => {
      const { status, body } = await api(url, token, 'POST', '/app/demo/msg', {
        eventType: 'a.b',
        payload: {},
      });
      expect([202, 503]).toContain(status);
      return status === 202 ? body : null;
    });
    await receiver.until((arrivals) => arrivals.some(({ headers }) => headers['webhook-id'] === message.id));
    await receiver.close();
    await second.complained((err) =>
      /PostgreSQL ended unexpectedly \([^)]+\); starting it again\n[^]*is up again\n/.exec(err),
    );

    const { postmaster } = await readRuntime(dataDir);
    kill(second.pid);
    kill(postmaster?.pid);
    await second.ended;
    const third = posthorn(['dev', '--json'], { env: place });
    expect(await third.said(devFacts)).toMatchObject({ url, token });
    expect((await api(url, token, 'GET', `/app/demo/msg/${message.id}`)).status).toBe(200);
    // A terminal that is closed.
    third.signal('SIGHUP');
    expect(await third.ended).toEqual({ code: 0, signal: null });
    expect(await postgresOf(dataDir)).toEqual([]);
    for (const { out } of [first, second, third]) expect(out().trim().split('\n')).toHaveLength(1);
  });

  it('leaves no database behind when it fails after that is up', async () => {
    const place = await freshPlace();
    const first = posthorn(['dev', '--json'], { env: place });
    await first.said(devFacts);
    const client = new pg.Client({ connectionString: (await readRuntime(place.POSTHORN_DATA_DIR)).url });
    await client.connect();
    await client.query(`update schema_migration set checksum = 'another'`);
    await client.end();
    first.signal('SIGINT');
    await first.ended;

    const { code, out, err } = await run(['dev'], place);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^posthorn: migration 001_\w+ was applied to this database with other content .*\n$/);
    expect(await postgresOf(place.POSTHORN_DATA_DIR)).toEqual([]);

    // Reset mends what cannot be mended otherwise.
    await writeFile(join(place.POSTHORN_DATA_DIR, 'dev.json'), '{"token":');
    const damaged = await run(['dev'], place);
    expect(damaged).toMatchObject({ code: 1, out: '' });
    expect(damaged.err).toMatch(
      /^posthorn: \S+dev\.json is damaged\. .*restore it .*posthorn dev --reset\n$/,
    );
    expect(await postgresOf(place.POSTHORN_DATA_DIR)).toEqual([]);
    const again = posthorn(['dev', '--reset', '--json'], { env: place });
    await again.said(devFacts);
    expect(JSON.parse(await readFile(join(place.POSTHORN_DATA_DIR, 'dev.json'), 'utf8'))).toHaveProperty(
      'token',
    );
    again.signal('SIGINT');
    await again.ended;
  });

  it('ends within a second of Ctrl-C while it is still starting', async () => {
    const place = await freshPlace();
    const command = posthorn(['dev'], { env: place });
    await command.complained((err) => err.includes('Creating a PostgreSQL') || null);
    const startedMs = performance.now();
    command.signal('SIGINT');
    expect(await command.ended).toEqual({ code: 0, signal: null });
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    expect({ out: command.out(), err: command.err().trim().split('\n').length }).toEqual({ out: '', err: 1 });
    expect(await postgresOf(place.POSTHORN_DATA_DIR)).toEqual([]);
  });
});

describe('an address that is taken', () => {
  it('is named when somebody asked for it', async () => {
    const place = await freshPlace();
    const release = await occupy(Number(place.POSTHORN_LISTEN.split(':')[1]));
    const { code, out, err } = await run(['dev'], place);
    await release?.();
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(
      `posthorn: POSTHORN_LISTEN ${place.POSTHORN_LISTEN} is in use by another program; stop it or choose another`,
    );
    expect(await postgresOf(place.POSTHORN_DATA_DIR)).toEqual([]);
  });

  it('is stepped over when it is only the default, which is said', async () => {
    const { POSTHORN_DATA_DIR } = await freshPlace();
    // Either this test takes it or somebody else has it.
    const release = await occupy(8071);
    try {
      const command = posthorn(['dev'], { env: { POSTHORN_DATA_DIR } });
      const text = await command.said(textOf);
      const port = Number(
        /api {8}http:\/\/127\.0\.0\.1:(\d+)\/api\/v1 {2}\(127\.0\.0\.1:8071 is taken by another program\)/.exec(
          text,
        )?.[1],
      );
      expect(port).toBeGreaterThan(8071);
      expect(port).toBeLessThan(8171);
      command.signal('SIGINT');
      expect(await command.ended).toEqual({ code: 0, signal: null });
    } finally {
      await release?.();
    }
  });

  it('is not said to be taken when any would do', async () => {
    const { POSTHORN_DATA_DIR } = await freshPlace();
    const command = posthorn(['dev', '--json', '--listen', `0.0.0.0:${await freePort()}`], {
      env: { POSTHORN_DATA_DIR },
    });
    expect(await command.said(devFacts)).toMatchObject({ movedFrom: null });
    command.signal('SIGINT');
    await command.ended;
  });
});
