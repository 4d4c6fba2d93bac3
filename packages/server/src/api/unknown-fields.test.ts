import { z } from '@hono/zod-openapi';
import { describe, expect, it } from 'vitest';
import { unknownField } from './unknown-fields.ts';

const schema = z.object({
  name: z.string().refine((value) => value !== ''),
  count: z.int().default(3),
  inner: z.object({ list: z.array(z.object({ a: z.string() })).nullish() }).optional(),
  free: z.record(z.string(), z.unknown()).nullish(),
  loose: z.looseObject({ b: z.string().optional() }).optional(),
  either: z.union([z.object({ x: z.string() }), z.object({ y: z.string() }), z.string()]).optional(),
  changed: z
    .object({ c: z.string() })
    .transform(({ c }) => c)
    .optional(),
});

describe('a field that a schema does not know', () => {
  it.each<[unknown, readonly (string | number)[] | null]>([
    [{ name: 'a' }, null],
    [
      { name: 'a', count: 1, inner: { list: [{ a: '' }] }, free: { any: { thing: 1 } }, loose: { z: 1 } },
      null,
    ],
    [{ name: 'a', nmae: 'b' }, ['nmae']],
    [{ name: 'a', inner: { list: [{ a: '' }, { a: '', b: '' }] } }, ['inner', 'list', 1, 'b']],
    [{ name: 'a', inner: { lost: null } }, ['inner', 'lost']],
    [{ name: 'a', either: { y: '' } }, null],
    [{ name: 'a', either: { y: '', z: '' } }, ['either', 'z']],
    [{ name: 'a', either: 'text' }, null],
    [{ name: 'a', changed: { c: '', d: '' } }, ['changed', 'd']],
    [{ name: 'a', constructor: 1 }, ['constructor']],
  ])('of %j is %j', (value, path) => {
    expect(schema.safeParse(value).success).toBe(true);
    expect(unknownField(schema, value)).toEqual(path);
  });
});
