import { Ajv } from 'ajv';
import { referenceProblem } from './schema-references.ts';

/** Keys and references are as long as their author likes. */
const MAX_WORDS = 500;

const DRAFT_7 = 'http://json-schema.org/draft-07/schema#';
const options = { strict: false, validateFormats: false, allErrors: false };

const without = (value: unknown, keyword: string): unknown => {
  if (Array.isArray(value)) return value.map((item) => without(item, keyword));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, held]) => !(key === keyword && held === true))
      .map(([key, held]) => [key, without(held, keyword)]),
  );
};

// Only the meta-schema is ever compiled: a tenant's schema is data that is checked against it. That lists hold
// nothing twice is looked at below, for Ajv compares each value with each other one.
const metaSchema = without(new Ajv(options).getSchema(DRAFT_7)?.schema, 'uniqueItems') as object;
const ajv = new Ajv({ ...options, meta: false, validateSchema: false });
const isSchema = ajv.compile(metaSchema);

const UNIQUE = ['enum', 'required', 'type'];

/** The path of a list that holds something twice, or null. */
const repeated = (value: unknown, path: string): string | null => {
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, held] of Object.entries(value)) {
    if (UNIQUE.includes(key) && Array.isArray(held)) {
      if (new Set(held.map((item) => JSON.stringify(item))).size < held.length) return `${path}/${key}`;
      continue;
    }
    const found = repeated(held, `${path}/${key}`);
    if (found !== null) return found;
  }
  return null;
};

/** In the words of the keyword that was not kept. */
const metaProblem = (): string => {
  const [error] = isSchema.errors ?? [];
  return error === undefined ? 'it is wrong' : `${error.instancePath || 'it'} ${error.message ?? 'is wrong'}`;
};

const findProblem = (schema: unknown): string | null => {
  if (!isSchema(schema)) return metaProblem();
  const twice = repeated(schema, '');
  if (twice !== null) return `${twice} holds a value twice`;
  return referenceProblem(schema, (value) => isSchema(value));
};

/**
 * Why a value is no JSON Schema (draft 7), or null if it is one. Takes time in proportion to its length: the schema
 * is looked at and never compiled, for that takes as long as its author likes.
 */
export const schemaProblem = (schema: unknown): string | null => {
  const problem = findProblem(schema);
  return problem === null ? null : `not a valid JSON Schema (draft 7): ${problem.slice(0, MAX_WORDS)}`;
};
