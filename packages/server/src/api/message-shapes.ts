import { z } from '@hono/zod-openapi';
import {
  channelName,
  eventTypeName,
  eventTypesQuery,
  flag,
  idOrUid,
  listQuery,
  moment,
  priorityName,
  tagName,
  timeQuery,
} from './fields.ts';
import { MAX_LIMIT } from './paging.ts';
import type { ListFilter } from './port.ts';
import { sample } from './sample.ts';

const payload = z.record(z.string(), z.unknown());

const shown = {
  eventId: z.string().nullable(),
  eventType: z.string(),
  payload,
  channels: z.array(z.string()).nullable(),
  id: z.string(),
  timestamp: z.string(),
  tags: z.array(z.string()).nullable(),
  occurredAt: z.string().optional(),
  deliverAt: z.string().optional(),
  expiresAt: z.string().optional(),
  priority: priorityName.optional(),
  orderingKey: z.string().optional(),
  replaces: z.string().optional(),
};

const standing = {
  status: z.int(),
  statusText: z.string(),
  nextAttempt: z.string().nullable().optional(),
};

const message = {
  eventId: sample.eventId,
  eventType: sample.eventType,
  payload: sample.payload,
  channels: null,
  id: sample.messageId,
  timestamp: sample.time,
  tags: null,
};

export const messageOutShape = z.object(shown).openapi('MessageOut', { example: message });
export const endpointMessageOut = z.object({ ...shown, ...standing }).openapi('EndpointMessageOut', {
  example: { ...message, status: 0, statusText: 'success', nextAttempt: null },
});

export const attemptOut = z
  .object({
    url: z.string(),
    response: z.string(),
    responseStatusCode: z.int(),
    responseDurationMs: z.int(),
    status: z.int(),
    statusText: z.string(),
    triggerType: z.int(),
    msgId: z.string(),
    endpointId: z.string(),
    id: z.string(),
    timestamp: z.string(),
    nextAttempt: z.string().optional(),
    cause: z.string().optional(),
    evidence: z.unknown().optional(),
    msg: messageOutShape.optional(),
  })
  .openapi('MessageAttemptOut', {
    example: {
      url: sample.url,
      response: 'try again later',
      responseStatusCode: 503,
      responseDurationMs: 41,
      status: 2,
      statusText: 'fail',
      triggerType: 0,
      msgId: sample.messageId,
      endpointId: sample.endpointId,
      id: sample.attemptId,
      timestamp: sample.time,
      nextAttempt: sample.later,
      cause: 'http_503',
    },
  });

export const attemptHeaders = z
  .object({
    sentHeaders: z.record(z.string(), z.string()),
    responseHeaders: z.array(z.array(z.string())).nullable(),
    sensitive: z.array(z.string()),
  })
  .openapi('MessageAttemptHeadersOut', {
    example: {
      sentHeaders: { 'content-type': 'application/json', 'webhook-id': sample.messageId },
      responseHeaders: [['content-type', 'text/plain']],
      sensitive: ['authorization'],
    },
  });

export const countOut = z
  .object({ count: z.int(), approximated: z.boolean() })
  .openapi('CountOut', { example: { count: 42, approximated: false } });

const filterQuery = {
  channel: channelName.optional(),
  tag: tagName.optional(),
  ...eventTypesQuery,
};

export const messageListQuery = z.object({
  ...listQuery,
  ...timeQuery,
  ...filterQuery,
  with_content: flag.optional(),
});

/** The same criteria in a body. */
export const messageSearchIn = z
  .object({
    limit: z
      .int()
      .min(0, 'must be at least 0')
      .max(MAX_LIMIT, `Given limit must not exceed ${MAX_LIMIT}`)
      .nullish(),
    iterator: listQuery.iterator.nullish(),
    before: moment.nullish(),
    after: moment.nullish(),
    channel: channelName.nullish(),
    tag: tagName.nullish(),
    event_types: z.array(eventTypeName).nullish(),
    with_content: z.boolean().nullish(),
  })
  .openapi('MessageSearchIn', {
    example: { event_types: [sample.eventType], after: sample.time, limit: 50 },
  });

const numberIn = (values: readonly number[]) =>
  z
    .string()
    .refine((text) => values.some((value) => String(value) === text), {
      message: `must be one of ${values.join(', ')}`,
      abort: true,
    })
    .transform(Number)
    .openapi({ type: 'integer', enum: [...values] });

/** 0: no response came. */
export const statusCodeClasses = [0, 100, 200, 300, 400, 500] as const;
export const statusQuery = numberIn([0, 1, 2, 3, 4]);
export const codeClassQuery = numberIn(statusCodeClasses);

export const attemptListQuery = z.object({
  ...listQuery,
  ...timeQuery,
  ...filterQuery,
  status: statusQuery.optional(),
  status_code_class: codeClassQuery.optional(),
  endpoint_id: idOrUid.optional(),
  with_content: flag.optional(),
  with_msg: flag.optional(),
  expanded_statuses: flag.optional(),
});

export const deliveryListQuery = z.object({
  ...listQuery,
  ...timeQuery,
  ...filterQuery,
  status: statusQuery.optional(),
  with_content: flag.optional(),
  expanded_statuses: flag.optional(),
});

/** Channels, tags and event types as the store takes them. */
export const filterOf = (query: {
  readonly channel?: string | undefined;
  readonly tag?: string | undefined;
  readonly event_types?: string[] | undefined;
}): ListFilter => ({
  channel: query.channel ?? null,
  tag: query.tag ?? null,
  eventTypes: query.event_types ?? null,
});
