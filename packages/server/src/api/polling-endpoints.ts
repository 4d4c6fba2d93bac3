import { OpenAPIHono, z } from '@hono/zod-openapi';
import { conflict, invalid, noContent, notFound } from './answers.ts';
import { pathOf } from './endpoints.ts';
import { wholeNumber } from './fields.ts';
import { rendered } from './list-out.ts';
import { messageOut, renderedList, spliced } from './message-out.ts';
import { messageOutShape } from './message-shapes.ts';
import { operateOnApp } from './operation.ts';
import { DEFAULT_LIMIT } from './paging.ts';
import { beginningOf, MOST_CONSUMERS, pollLimit, tooManyConsumers } from './pollers.ts';
import { positionAt, positionWith, readPosition, writePosition } from './poll-position.ts';
import { readPoll } from './poll-read.ts';
import type { ConsumerPath, ConsumerState } from './poller-port.ts';
import type { ApiDeps } from './port.ts';
import type { EndpointRecord, MessageRecord } from './records.ts';
import { sample } from './sample.ts';

const TAG = 'Message';
const AT = '/app/{app_id}/polling-endpoint/{sink_id}/consumer/{consumer_id}';
const LEASE_MS = 30_000;
const LONGEST_LEASE_MS = 3_600_000;

const messageShape = messageOutShape.extend({ offset: z.int() }).openapi('PollerV2MessageOut');
const polled = z.object({ data: z.array(messageShape), done: z.boolean() }).openapi('PollerV2PollOut', {
  example: {
    data: [
      {
        eventId: sample.eventId,
        eventType: sample.eventType,
        payload: sample.payload,
        channels: null,
        id: sample.messageId,
        timestamp: sample.time,
        tags: null,
        offset: 41,
      },
    ],
    done: true,
  },
});

const nothing = { handed: [], behind: null, leaseUntilMs: 0 } as const;

/** The state once the first `count` of what was handed over are confirmed. */
const confirm = (state: ConsumerState, count: number): ConsumerState => {
  const firstOffset = state.firstOffset + count;
  if (count === state.handed.length) {
    return { ...nothing, position: state.behind ?? state.position, firstOffset };
  }
  const position = readPosition(state.position);
  if (position === null) throw new Error('a consumer is stored at no position');
  return {
    ...state,
    position: writePosition(positionWith(position, state.handed.slice(0, count))),
    handed: state.handed.slice(count),
    firstOffset,
  };
};

/**
 * The second protocol: a consumer is handed a batch under a lease and confirms by offset. Until it has
 * confirmed all of it, or the lease has ended, nothing more is handed over.
 */
export const pollingEndpointRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { endpoints, messages, pollers } = deps.store;

  const page = (found: readonly MessageRecord[], firstOffset: number, done: boolean) =>
    rendered(
      200,
      spliced(
        { done },
        'data',
        renderedList(found.map((one, index) => messageOut(one, { offset: firstOffset + index }))),
      ),
    );

  const consumerOf = (endpoint: EndpointRecord, name: string): ConsumerPath => ({
    orgId: endpoint.orgId,
    endpointId: endpoint.id,
    protocol: 2,
    name,
  });

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message.pollerv2.consumer-poll',
      method: 'get',
      path: AT,
      tag: TAG,
      summary: 'Take the next messages of a consumer under a lease',
      who: 'any',
      query: z.object({
        limit: pollLimit.optional(),
        lease_duration_ms: wholeNumber
          .refine((value) => value <= LONGEST_LEASE_MS, `must be at most ${LONGEST_LEASE_MS}`)
          .optional(),
        starting_position: z.enum(['earliest', 'latest']).optional(),
      }),
      answers: { 200: polled },
    },
    async ({ application, params, query }) => {
      const path = pathOf(application);
      const endpoint = await endpoints.find(path, params['sink_id'] ?? '');
      if (endpoint === null) return notFound();
      const consumer = consumerOf(endpoint, params['consumer_id'] ?? '');
      const nowMs = deps.clock.nowMs();
      const leaseUntilMs = nowMs + (query.lease_duration_ms ?? LEASE_MS);
      const present = await pollers.find(consumer);
      if (present !== null && present.leaseUntilMs > nowMs) return page([], 0, true);
      const start = query.starting_position === 'latest' ? positionAt(nowMs) : beginningOf(endpoint);
      const state: ConsumerState = present ?? { ...nothing, position: writePosition(start), firstOffset: 0 };
      const version = present?.version ?? null;
      if (state.handed.length > 0) {
        // What was not confirmed in time, once more, under the same offsets: it fitted before.
        const { known: found } = await messages.byIds(path, state.handed, true);
        // All of it is gone, as retention has it: nobody could confirm it, so that is done here.
        const isGone = found.size === 0;
        const next = isGone ? confirm(state, state.handed.length) : { ...state, leaseUntilMs };
        const saved = await pollers.save(consumer, version, next, MOST_CONSUMERS);
        if (saved !== 'saved') return page([], 0, true);
        if (isGone) return page([], 0, false);
        return rendered(
          200,
          spliced(
            { done: false },
            'data',
            renderedList(
              state.handed.flatMap((id, index) => {
                const message = found.get(id);
                return message === undefined
                  ? []
                  : messageOut(message, { offset: state.firstOffset + index });
              }),
            ),
          ),
        );
      }
      const position = readPosition(state.position) ?? start;
      const limit = query.limit ?? DEFAULT_LIMIT;
      const found = await readPoll(deps, path, endpoint, { position, limit, eventType: null, channel: null });
      const behind = writePosition(found.next);
      const next: ConsumerState =
        found.messages.length === 0
          ? { ...state, position: behind }
          : { ...state, handed: found.messages.map(({ id }) => id), behind, leaseUntilMs };
      if (present !== null && next.position === present.position && next.handed.length === 0) {
        return page([], 0, found.done);
      }
      const saved = await pollers.save(consumer, version, next, MOST_CONSUMERS);
      if (saved === 'too_many') return tooManyConsumers;
      // Somebody else was handed them.
      if (saved === 'moved') return page([], 0, true);
      return page(found.messages, state.firstOffset, found.done);
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message.pollerv2.consumer-commit',
      method: 'post',
      path: `${AT}/commit`,
      tag: TAG,
      summary: 'Confirm the messages up to an offset',
      who: 'any',
      body: z
        .object({ offset: z.int().min(0, 'must be at least 0') })
        .openapi('PollerV2CommitIn', { example: { offset: 41 } }),
      answers: { 204: null },
    },
    async ({ application, params, body }) => {
      const endpoint = await endpoints.find(pathOf(application), params['sink_id'] ?? '');
      if (endpoint === null) return notFound();
      const consumer = consumerOf(endpoint, params['consumer_id'] ?? '');
      for (let tries = 0; tries < 10; tries++) {
        const state = await pollers.find(consumer);
        const count = state === null ? 0 : body.offset - state.firstOffset + 1;
        if (state === null || count > state.handed.length) {
          return invalid(['body', 'offset'], 'No message with this offset has been handed out');
        }
        if (count <= 0) return noContent;
        const saved = await pollers.save(consumer, state.version, confirm(state, count), MOST_CONSUMERS);
        if (saved === 'saved') return noContent;
      }
      return conflict('The consumer is being moved by others. Try again.');
    },
  );

  return app;
};
