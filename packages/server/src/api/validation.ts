import type { z } from '@hono/zod-openapi';
import { badRequest } from './answers.ts';
import type { Invalidity, Refusal } from './answers.ts';

type Issue = z.core.$ZodIssue;

/**
 * How a rule of ours that fails is located. `newtype`: a value with a type of its own (uid, channel)
 * reports itself as `__all__` below its field, as the Svix API does.
 */
export type RuleParams = { readonly newtype?: true; readonly type?: string };

const NEWTYPE_TAIL = '__all__';

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

const paramsOf = (issue: Issue): RuleParams =>
  issue.code === 'custom' && isRecord(issue.params) ? issue.params : {};

const step = (part: PropertyKey): string => (typeof part === 'number' ? `[${part}]` : String(part));

const describe = (issue: Issue): string => {
  if (issue.code !== 'invalid_type') return issue.message;
  const field = issue.path.at(-1);
  return issue.input === undefined && typeof field === 'string'
    ? `missing field \`${field}\``
    : `invalid type: expected ${issue.expected}`;
};

/** Rules are checked values that failed; everything else is a body that is not of the shape at all. */
const isRule = (issue: Issue): boolean =>
  issue.code === 'custom' || issue.code === 'too_big' || issue.code === 'too_small';

const toInvalidity = (where: 'body' | 'query', issue: Issue): Invalidity => {
  const params = paramsOf(issue);
  const loc = [where, ...issue.path.map(step)];
  return {
    loc: params.newtype === true ? [...loc, NEWTYPE_TAIL] : loc,
    msg: describe(issue),
    type: params.type ?? (isRule(issue) ? 'value_error' : 'value_error.jsondecode'),
  };
};

/** A 422 from what zod found wrong with a body. */
export const bodyRefusal = (issues: readonly Issue[]): Refusal => ({
  kind: 'invalid',
  items: issues.map((issue) => toInvalidity('body', issue)),
});

/** A 422 for a field or parameter that nobody knows, where that is not ignored. */
export const unknownRefusal = (where: 'body' | 'query', path: readonly PropertyKey[]): Refusal => {
  const steps = path.map(step);
  const msg = `unknown ${where === 'body' ? 'field' : 'parameter'} \`${steps.at(-1)!.slice(0, 100)}\``;
  return { kind: 'invalid', items: [{ loc: [where, ...steps], msg, type: 'value_error' }] };
};

/** 400 for a query that is not of the shape, 422 for values out of bounds (`query`, `limit`, `limit`). */
export const queryRefusal = (issues: readonly Issue[]): Refusal => {
  const shapeless = issues.find((issue) => !isRule(issue));
  if (shapeless !== undefined) {
    return badRequest(
      `Failed to deserialize query string: ${shapeless.path.map(step).join('.')}: ${describe(shapeless)}`,
    );
  }
  return {
    kind: 'invalid',
    items: issues.map((issue) => {
      const item = toInvalidity('query', issue);
      return paramsOf(issue).newtype === true ? item : { ...item, loc: [...item.loc, ...item.loc.slice(-1)] };
    }),
  };
};
