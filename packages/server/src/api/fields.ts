import { z } from '@hono/zod-openapi';
import { priorityNames } from '../domain/delivery.ts';
import { parseDate } from './dates.ts';
import { MAX_LIMIT } from './paging.ts';
import type { RuleParams } from './validation.ts';

/** The field types that resources share: rules as the Svix API has them. */

const NAME = /^[a-zA-Z0-9\-_.]+$/;
const CHANNEL = /^[a-zA-Z0-9\-_.:+]+$/;
const TAG = /^[a-zA-Z0-9\-_./\\#]+$/;
const MAX_NAME = 256;

const newtype: { readonly params: RuleParams } = { params: { newtype: true } };

const rule = (schema: z.ZodString, holds: (value: string) => boolean, message: string): z.ZodString =>
  schema.refine(holds, { message, ...newtype });

const named = (pattern: RegExp, shape: string): z.ZodString =>
  rule(
    rule(
      z.string(),
      (value) => value.length >= 1 && value.length <= MAX_NAME,
      `String must be between 1 and ${MAX_NAME} characters long`,
    ),
    (value) => value === '' || pattern.test(value),
    `String must match the following pattern: ${shape}.`,
  ).openapi({ minLength: 1, maxLength: MAX_NAME, pattern: pattern.source });

/** The uid that a user gives to a thing; may not look like an id of ours. */
export const uidOf = (prefix: string): z.ZodString =>
  rule(named(NAME, '[a-zA-Z0-9-_.]'), (value) => !value.startsWith(prefix), 'Must not match the ID pattern');

export const eventTypeName = named(NAME, '[a-zA-Z0-9-_.]');
export const channelName = named(CHANNEL, '[a-zA-Z0-9-_.:+]');
export const tagName = named(TAG, '[a-zA-Z0-9-_./\\#]');

/** Any text that can be printed; message acceptance, which has a path of its own, says the same. */
export const orderingKey = z
  .string()
  .refine((text) => text.length >= 1 && text.length <= MAX_NAME, {
    message: `must be 1 to ${MAX_NAME} characters long`,
    abort: true,
  })
  .refine((text) => /^[^\p{Cc}\p{Cs}]+$/u.test(text), {
    message: 'may only contain characters that can be printed (no control characters, no lone surrogates)',
  })
  .openapi({ minLength: 1, maxLength: MAX_NAME });

/** What a path parameter must look like to be worth a look-up: an id or a uid. */
export const isIdOrUid = (value: string): boolean => value.length <= MAX_NAME && NAME.test(value);

/** The same as a query parameter or in a body. */
export const idOrUid = named(NAME, '[a-zA-Z0-9-_.]');

const CONTROL = /[\u0000-\u0008]/;
/** Free text without the control characters 0x00 to 0x08. */
export const plainText = (): z.ZodString =>
  z.string().refine((value) => !CONTROL.test(value), 'Control characters 0x00-0x08 not allowed.');

const isUnique = (values: readonly string[]): boolean => new Set(values).size === values.length;

/** A set of names, `min` to `max` of them; repeats are dropped. */
export const nameSet = (
  item: z.ZodString,
  min: number,
  max: number,
  message: string,
): z.ZodType<string[], string[]> =>
  z
    .array(item)
    .refine((values) => values.length >= min && new Set(values).size <= max, message)
    .transform((values) => (isUnique(values) ? values : [...new Set(values)]))
    .openapi({ type: 'array', items: { type: 'string' }, minItems: min, maxItems: max });

const METADATA_BYTES = 4096;
/** A flat map of texts, at most 4096 bytes of JSON. */
export const metadata = z
  .record(z.string(), z.string())
  .refine((value) => Buffer.byteLength(JSON.stringify(value)) <= METADATA_BYTES, {
    message: `Metadata must be at most ${METADATA_BYTES} bytes of JSON`,
    ...newtype,
  });

export const rate = (message: string): z.ZodType<number, number> =>
  z
    .int()
    .min(1, message)
    .max(65_535, 'must be at most 65535')
    .openapi({ type: 'integer', minimum: 1, maximum: 65_535 });

/** A class of urgency by its name. */
export const priorityName = z.enum(priorityNames);

/** A moment, as Unix milliseconds. */
export const moment = z
  .string()
  .transform((text, context) => {
    const unixMs = parseDate(text);
    if (unixMs !== null) return unixMs;
    context.issues.push({
      code: 'invalid_format',
      format: 'datetime',
      input: text,
      message: 'input is not an RFC 3339 date',
    });
    return z.NEVER;
  })
  .openapi({ type: 'string', format: 'date-time' });

/** `true` or `false` in a query. */
export const flag = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .openapi({ type: 'boolean' });

/** A whole number in a query. */
export const wholeNumber = z
  .string()
  .regex(/^\d{1,15}$/, 'invalid digit found in string')
  .transform(Number)
  .openapi({ type: 'integer' });

const limit = wholeNumber.refine((value) => value <= MAX_LIMIT, `Given limit must not exceed ${MAX_LIMIT}`);

const iterator = rule(
  z.string(),
  (value) => isIdOrUid(value.startsWith('-') ? value.slice(1) : value),
  'The iterator is not one of this list',
);

/** Query parameters of every list. */
export const listQuery = { limit: limit.optional(), iterator: iterator.optional() };

export const order = z.enum(['ascending', 'descending']);

/** Query parameters of lists by time. */
export const timeQuery = { before: moment.optional(), after: moment.optional() };

export const eventTypesQuery = {
  event_types: z
    .array(eventTypeName)
    .optional()
    .openapi({ type: 'array', items: { type: 'string' } }),
};
