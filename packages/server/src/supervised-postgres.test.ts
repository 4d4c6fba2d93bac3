import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clean, query, temporaryDirectory } from '../test/embedded-starter.ts';
import { readRuntime } from './embedded/runtime.ts';
import { portOf, superviseEmbedded } from './supervised-postgres.ts';

describe('the supervised PostgreSQL', () => {
  let dataDir: string;
  beforeAll(async () => {
    dataDir = await temporaryDirectory();
  });
  afterAll(() => clean(dataDir));

  it('comes back at its address after kill -9, and ends for good in the middle of that', async () => {
    const lines: string[] = [];
    let heard = (_: string): void => {};
    const said = (words: string): Promise<void> =>
      new Promise((resolve) => {
        heard = (line) => (line.includes(words) ? resolve() : undefined);
      });
    const log = (line: string): void => {
      lines.push(line);
      heard(line);
    };
    const kill = async (): Promise<void> => {
      const { postmaster } = await readRuntime(dataDir);
      process.kill(postmaster?.pid ?? Number.NaN, 'SIGKILL');
    };
    const postgres = await superviseEmbedded({ dataDir, random: randomBytes, log });
    const isUp = said('up again');
    await kill();
    await isUp;
    expect(await query(postgres.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(lines).toContain('PostgreSQL ended unexpectedly (ended by SIGKILL); starting it again');

    const isStarting = said('starting it again');
    await kill();
    await isStarting;
    await postgres.stop();
    expect(await readRuntime(dataDir)).toEqual({ holder: undefined, postmaster: undefined, url: undefined });
    const outcome = await Promise.race([postgres.lost.catch(() => 'lost'), Promise.resolve('nothing lost')]);
    expect(outcome).toBe('nothing lost');
  });
});

describe('portOf', () => {
  it('is the same for one directory, another for another, and below those that systems give away', () => {
    const ports = Array.from({ length: 50 }, (_, index) =>
      portOf(`/home/user-${index}/.local/share/posthorn`),
    );
    expect(portOf('/home/user-0/.local/share/posthorn')).toBe(ports[0]);
    expect(new Set(ports).size).toBeGreaterThan(40);
    expect(ports.filter((port) => port < 15_433 || port > 17_432)).toEqual([]);
  });
});
