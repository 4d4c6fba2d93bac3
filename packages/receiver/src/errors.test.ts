import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { handlerStatus, refusalStatus } from './errors.ts';

const page = readFileSync(new URL('../../../docs/receiver/errors.md', import.meta.url), 'utf8');
const statuses: Readonly<Record<string, number>> = { ...refusalStatus, ...handlerStatus };

it('every code has its section in docs/receiver/errors.md, with its status, and no section is of another', () => {
  const sections = [...page.matchAll(/^### (\w+)\n(\d{3})\b/gm)].map(([, code, status]) => [
    code,
    Number(status),
  ]);
  expect(Object.fromEntries(sections)).toEqual(statuses);
  expect(sections).toHaveLength(Object.keys(statuses).length);
  expect(page.match(/^### /gm)).toHaveLength(sections.length);
});
