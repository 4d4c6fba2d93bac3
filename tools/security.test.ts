// docs/security.md says of each line what shows it: a test that is there.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { repository } from './lock-file.ts';

const page = readFileSync(join(repository, 'docs/security.md'), 'utf8');
const sections = page.split(/^## /m).slice(1);
const attackers = sections.filter((text) => /^A/.test(text));

it('knows whom it speaks of, what holds each, and what does not', () => {
  expect(attackers.map((text) => text.split('\n')[0])).toEqual([
    'A hostile tenant',
    'A hostile receiver',
    'A hostile client',
    'A thief of a backup',
    'An insider who reads the database',
    'A supply-chain attacker',
  ]);
  for (const text of attackers) expect(text).toContain('Not held:');
});

it('names for each line a test that is there', () => {
  const rows = attackers.flatMap((text) => [...text.matchAll(/^\| (?!wants|-)(.+?) \| (.+) \| (.+) \|$/gm)]);
  expect(rows.length).toBeGreaterThan(25);
  for (const [, wants, , shownBy] of rows) {
    const tests = [...shownBy!.matchAll(/`([^`]+)`/g)].map(([, path]) => path!);
    expect([wants, tests.length]).not.toEqual([wants, 0]);
    for (const path of tests) {
      expect(path).toMatch(/\.test\.ts$/);
      expect([wants, path, existsSync(join(repository, path))]).toEqual([wants, path, true]);
    }
  }
});
