import { z } from '@hono/zod-openapi';
import { priorities, priorityNames } from '../domain/delivery.ts';
import type { RetryPolicy } from '../domain/policy.ts';
import { eventTypeLimits } from '../domain/event-types.ts';
import { badRequest, invalid } from './answers.ts';
import type { Refusal } from './answers.ts';
import { formatDate } from './dates.ts';
import { eventTypeName, nameSet, plainText, priorityName } from './fields.ts';
import { schemaProblem } from './json-schema.ts';
import type { ApiDeps } from './port.ts';
import type { EventTypeFields, EventTypeRecord } from './records.ts';
import { sample } from './sample.ts';

const MAX_FLAGS = 25;

/** The 400 for more event types than an organisation may have. */
export const tooManyEventTypes: Refusal = badRequest(
  `An organisation has at most ${eventTypeLimits.count} event types, archived ones too, and ${eventTypeLimits.bytes} bytes of them as they are exported (JSON). Nothing was written. Delete some for good (DELETE …?expunge=true), or make their schemas smaller.`,
  'limit_reached',
);

const schemas = z.record(z.string(), z.unknown()).nullish();
const featureFlags = nameSet(
  eventTypeName,
  1,
  MAX_FLAGS,
  'Feature flags must have at least one item, or be null.',
).nullish();

const fields = {
  schemas,
  featureFlags,
  /** The older spelling, of one. */
  featureFlag: eventTypeName.nullish(),
  groupName: eventTypeName.nullish(),
  retryPolicy: z.unknown().optional(),
  priority: priorityName.nullish(),
};

const about = {
  description: 'An invoice was paid in full',
  groupName: 'invoice',
  schemas: {
    '1': {
      type: 'object',
      properties: {
        id: { type: 'integer' },
        amount: { type: 'string' },
        currency: { type: 'string' },
      },
      required: ['id', 'amount', 'currency'],
      examples: [sample.payload],
    },
  },
};

export const eventTypeUpsertIn = z
  .object({
    ...fields,
    description: plainText(),
    archived: z.boolean().default(false),
    deprecated: z.boolean().default(false),
  })
  .openapi('EventTypeUpsertIn', { example: about });

export const eventTypeIn = eventTypeUpsertIn
  .extend({ name: eventTypeName })
  .openapi('EventTypeIn', { example: { name: sample.eventType, ...about } });

export const eventTypePatch = z
  .object({
    ...fields,
    description: plainText().optional(),
    archived: z.boolean().optional(),
    deprecated: z.boolean().optional(),
  })
  .openapi('EventTypePatch', { example: { deprecated: true } });

export const eventTypeOut = z
  .object({
    name: z.string(),
    description: z.string(),
    archived: z.boolean(),
    deprecated: z.boolean(),
    schemas: z.record(z.string(), z.unknown()).nullable(),
    createdAt: z.string(),
    updatedAt: z.string(),
    featureFlag: z.string().nullable(),
    featureFlags: z.array(z.string()).nullable(),
    groupName: z.string().nullable(),
    retryPolicy: z.unknown().optional(),
    priority: priorityName.optional(),
  })
  .openapi('EventTypeOut', {
    example: {
      name: sample.eventType,
      ...about,
      archived: false,
      deprecated: false,
      createdAt: sample.time,
      updatedAt: sample.time,
      featureFlag: null,
      featureFlags: null,
      groupName: 'invoice',
    },
  });

export const showEventType = (record: EventTypeRecord): z.infer<typeof eventTypeOut> => ({
  name: record.name,
  description: record.description,
  archived: record.archived,
  deprecated: record.deprecated,
  schemas: record.schemas === null ? null : { ...record.schemas },
  createdAt: formatDate(record.createdAtMs),
  updatedAt: formatDate(record.updatedAtMs),
  featureFlag: record.featureFlags?.[0] ?? null,
  featureFlags: record.featureFlags === null ? null : [...record.featureFlags],
  groupName: record.groupName,
  ...(record.retryPolicy === null ? {} : { retryPolicy: record.retryPolicy }),
  ...(record.priority === null ? {} : { priority: priorityNames[record.priority] }),
});

type Input = Partial<z.infer<typeof eventTypePatch>>;

const checkSchemas = (input: Input): Refusal | null => {
  for (const [version, schema] of Object.entries(input.schemas ?? {})) {
    const problem = schemaProblem(schema);
    if (problem !== null) return invalid(['body', 'schemas', version], problem);
  }
  return null;
};

const checkPolicy = (
  deps: ApiDeps,
  input: unknown,
): { readonly value: RetryPolicy | null | undefined } | Refusal => {
  if (input === undefined || input === null) return { value: input };
  const result = deps.parseRetryPolicy(input);
  return result.ok ? { value: result.policy } : invalid(['body', 'retryPolicy'], result.message);
};

const flagsOf = (input: Input): readonly string[] | null | undefined => {
  if (input.featureFlags !== undefined) return input.featureFlags;
  if (input.featureFlag === undefined || input.featureFlag === null) return input.featureFlag;
  return [input.featureFlag];
};

/** What a request wants of an event type, checked; only what it mentions. */
export const checkEventType = (
  deps: ApiDeps,
  input: Input,
): { readonly value: Partial<EventTypeFields> } | Refusal => {
  const badSchema = checkSchemas(input);
  if (badSchema !== null) return badSchema;
  const policy = checkPolicy(deps, input.retryPolicy);
  if ('kind' in policy) return policy;
  const wanted = {
    description: input.description,
    archived: input.archived,
    deprecated: input.deprecated,
    schemas: input.schemas,
    featureFlags: flagsOf(input),
    groupName: input.groupName,
    retryPolicy: policy.value,
    priority: typeof input.priority === 'string' ? priorities[input.priority] : input.priority,
  };
  const changes = Object.entries(wanted).filter(([, value]) => value !== undefined);
  return { value: Object.fromEntries(changes) };
};

/** All fields: what was not mentioned is as on a new event type. */
export const completeEventType = (changes: Partial<EventTypeFields>): EventTypeFields => ({
  description: '',
  archived: false,
  deprecated: false,
  schemas: null,
  featureFlags: null,
  groupName: null,
  retryPolicy: null,
  priority: null,
  ...changes,
});
