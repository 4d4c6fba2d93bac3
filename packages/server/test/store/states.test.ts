import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { deliveryStates } from '../../src/domain/delivery.ts';

const schema = readFileSync(new URL('../../schema.sql', import.meta.url), 'utf8');

/** The values that a table's CHECK allows in a column. */
const allowed = (table: string, column: string): string[] => {
  const definition = new RegExp(
    `create table ${table} \\([^;]*?\\b${column} = any \\(array\\[([^\\]]*)`,
    'i',
  );
  const found = definition.exec(schema.replaceAll('public.', ''));
  if (found === null) throw new Error(`no CHECK on ${table}.${column} in schema.sql`);
  return [...found[1]!.matchAll(/'([^']*)'/g)].map((match) => match[1]!).toSorted();
};

describe('the states of a delivery', () => {
  it('are in SQL what the page in domain/ says', () => {
    expect(allowed('live', 'state')).toEqual([...deliveryStates.open].toSorted());
    const ends = new Set([...allowed('attempt', 'final'), ...allowed('closed', 'state')]);
    expect([...ends].toSorted()).toEqual([...deliveryStates.final].toSorted());
  });
});
