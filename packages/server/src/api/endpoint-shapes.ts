import { z } from '@hono/zod-openapi';
import { formatDate } from './dates.ts';
import { channelName, eventTypeName, metadata, nameSet, plainText, rate, uidOf } from './fields.ts';
import type { EndpointRecord } from './records.ts';
import { sample } from './sample.ts';

const MAX_URL = 65_536;
const MAX_EVENT_TYPES = 1000;
const EMAIL = /^[^\s@]{1,64}@[^\s@]{1,255}$/;

const url = z
  .string()
  .refine((text) => text.length <= MAX_URL && URL.canParse(text), 'Endpoint URLs must be valid')
  .transform((text) => (URL.canParse(text) ? new URL(text) : null))
  .refine((parsed) => parsed === null || /^https?:$/.test(parsed.protocol), {
    message: 'Endpoint URL schemes must be http or https',
  })
  .openapi({ type: 'string', format: 'uri', minLength: 1, maxLength: MAX_URL });

const RATE = 'Endpoint rate limits must be at least one if set';

const eventTypes = nameSet(
  eventTypeName,
  1,
  MAX_EVENT_TYPES,
  "filterTypes can't be empty, it must have at least one item.",
).nullish();

const channels = nameSet(
  channelName,
  1,
  10,
  'Channels must have at least 1 and at most 10 items, or be set to null.',
).nullish();

/** A list of waits in seconds, or a policy object; checked where it is used. */
const retryPolicy = z.unknown().openapi({
  description: 'Waits in seconds before each further attempt, or a policy object; null for the default',
  example: [1, 5, 30, 300],
});

const ownerEmail = z
  .string()
  .refine((text) => EMAIL.test(text), 'ownerEmail must be an e-mail address')
  .nullish();

const poisonPolicy = z.enum(['block', 'skip']);

/** Fields that can be set at any time; both spellings of the two that were renamed. */
const fields = {
  uid: uidOf('ep_').nullish(),
  throttleRate: rate(RATE).nullish(),
  rateLimit: rate(RATE).nullish(),
  eventTypes,
  filterTypes: eventTypes,
  channels,
  secret: z.string().nullish(),
  metadata: metadata.nullish(),
  ownerEmail,
  retryPolicy: retryPolicy.optional(),
  fifo: z.boolean().optional(),
  poisonPolicy: poisonPolicy.optional(),
};

const version = z.int().min(1, 'Endpoint versions must be at least one').max(65_535);

export const endpointIn = z
  .object({
    ...fields,
    url,
    description: plainText().default(''),
    version: version.nullish(),
    disabled: z.boolean().default(false),
    headers: z.record(z.string(), z.string()).nullish(),
  })
  .openapi('EndpointIn', {
    example: {
      url: sample.url,
      uid: sample.endpointUid,
      description: 'Billing',
      eventTypes: [sample.eventType],
      headers: { 'x-team': 'billing' },
    },
  });

export const endpointPatch = z
  .object({
    ...fields,
    url: url.optional(),
    description: plainText().optional(),
    version: version.optional(),
    disabled: z.boolean().optional(),
  })
  .openapi('EndpointPatch', { example: { description: 'Billing, Europe', throttleRate: 50 } });

const example = {
  description: 'Billing',
  rateLimit: null,
  throttleRate: null,
  uid: sample.endpointUid,
  url: sample.url,
  version: 1,
  disabled: false,
  eventTypes: [sample.eventType],
  filterTypes: [sample.eventType],
  channels: null,
  createdAt: sample.time,
  updatedAt: sample.time,
  id: sample.endpointId,
  fifo: false,
  poisonPolicy: 'skip',
  delivering: { state: 'active' },
};

/** Whether deliveries go out, and if not, why and until when. */
const delivering = z
  .object({
    state: z.enum(['active', 'disabled', 'paused', 'blocked']),
    reason: z.string().optional(),
    since: z.string().optional(),
    until: z.string().optional(),
    failingSince: z.string().optional(),
  })
  .openapi('EndpointDelivering');

const shown = {
  description: z.string(),
  rateLimit: z.int().nullable(),
  throttleRate: z.int().nullable(),
  uid: z.string().nullable(),
  url: z.string(),
  version: z.int(),
  disabled: z.boolean(),
  eventTypes: z.array(z.string()).nullable(),
  filterTypes: z.array(z.string()).nullable(),
  channels: z.array(z.string()).nullable(),
  createdAt: z.string(),
  updatedAt: z.string(),
  id: z.string(),
  metadata: z.record(z.string(), z.string()),
  ownerEmail: z.string().optional(),
  retryPolicy: z.unknown().optional(),
  fifo: z.boolean(),
  poisonPolicy,
  disabledReason: z.string().optional(),
  delivering,
};

export const endpointOut = z.object(shown).openapi('EndpointOut', { example: { ...example, metadata: {} } });

export const messageEndpointOut = z
  .object({
    ...shown,
    status: z.int(),
    statusText: z.string(),
    nextAttempt: z.string().nullable(),
  })
  .omit({ metadata: true })
  .openapi('MessageEndpointOut', {
    example: { ...example, status: 1, statusText: 'pending', nextAttempt: sample.later },
  });

export type EndpointIn = z.infer<typeof endpointIn>;
export type EndpointPatch = z.infer<typeof endpointPatch>;

const showDelivering = (record: EndpointRecord, nowMs: number): z.infer<typeof delivering> => {
  const { pause, block, failingSinceMs, stoppedSinceMs } = record;
  const failing = failingSinceMs === null ? {} : { failingSince: formatDate(failingSinceMs) };
  if (record.disabled) {
    const { disabledReason: reason } = record;
    return { state: 'disabled', ...(reason === null ? {} : { reason }), ...failing };
  }
  if (pause !== null && (pause.untilMs === null || pause.untilMs > nowMs)) {
    return {
      state: 'paused',
      ...(pause.reason === null ? {} : { reason: pause.reason }),
      since: formatDate(pause.sinceMs),
      ...(pause.untilMs === null ? {} : { until: formatDate(pause.untilMs) }),
      ...failing,
    };
  }
  if (block !== null && block.untilMs > nowMs)
    return { state: 'blocked', reason: block.reason, until: formatDate(block.untilMs), ...failing };
  if (stoppedSinceMs !== null)
    return { state: 'blocked', reason: 'poison', since: formatDate(stoppedSinceMs), ...failing };
  return { state: 'active', ...failing };
};

/** @param nowMs Pauses and blocks whose time has come are over. */
export const showEndpoint = (record: EndpointRecord, nowMs: number): z.infer<typeof endpointOut> => ({
  description: record.description,
  rateLimit: record.rateLimit,
  throttleRate: record.rateLimit,
  uid: record.uid,
  url: record.url,
  version: record.version,
  disabled: record.disabled,
  eventTypes: record.eventTypes === null ? null : [...record.eventTypes],
  filterTypes: record.eventTypes === null ? null : [...record.eventTypes],
  channels: record.channels === null ? null : [...record.channels],
  createdAt: formatDate(record.createdAtMs),
  updatedAt: formatDate(record.updatedAtMs),
  id: record.id,
  metadata: record.metadata,
  ...(record.ownerEmail === null ? {} : { ownerEmail: record.ownerEmail }),
  ...(record.retryPolicy === null ? {} : { retryPolicy: record.retryPolicy }),
  fifo: record.fifo,
  poisonPolicy: record.poisonPolicy,
  ...(record.disabledReason === null ? {} : { disabledReason: record.disabledReason }),
  delivering: showDelivering(record, nowMs),
});
