import { OpenAPIHono, z } from '@hono/zod-openapi';
import { badRequest, conflict, json, notFound } from './answers.ts';
import type { Answer, Refusal } from './answers.ts';
import { pathOf } from './endpoints.ts';
import { channelName, eventTypeName, moment, wholeNumber } from './fields.ts';
import { rendered } from './list-out.ts';
import { messageOut, renderedList, spliced } from './message-out.ts';
import { messageOutShape } from './message-shapes.ts';
import { operateOnApp } from './operation.ts';
import type { AppCaller } from './operation.ts';
import { DEFAULT_LIMIT, MAX_LIMIT } from './paging.ts';
import { positionAt, readPosition, writePosition } from './poll-position.ts';
import type { PollPosition } from './poll-position.ts';
import { readPoll } from './poll-read.ts';
import type { ConsumerPath, ConsumerState } from './poller-port.ts';
import type { ApiDeps } from './port.ts';
import type { EndpointRecord } from './records.ts';
import { sample } from './sample.ts';

const TAG = 'Message';
const AT = '/app/{app_id}/poller/{sink_id}';
/** Consumers of one endpoint, both protocols together. */
export const MOST_CONSUMERS = 100;

export const pollLimit = wholeNumber
  .refine((value) => value >= 1, 'must be at least 1')
  .refine((value) => value <= MAX_LIMIT, `Given limit must not exceed ${MAX_LIMIT}`);

const iterator = z.string().refine((value) => readPosition(value) !== null, {
  message: 'The iterator is not one that a poll has answered',
});

const exampleIterator = sample.messageId.slice(4);
const polled = z
  .object({ data: z.array(messageOutShape), iterator: z.string(), done: z.boolean() })
  .openapi('PollingEndpointOut', {
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
        },
      ],
      iterator: exampleIterator,
      done: true,
    },
  });

/** Where somebody starts who has not been here: at the endpoint's beginning. */
export const beginningOf = (endpoint: EndpointRecord): PollPosition => positionAt(endpoint.createdAtMs);

export const tooManyConsumers: Refusal = badRequest(
  `An endpoint has at most ${MOST_CONSUMERS} consumers. Use the name of one that is there.`,
  'limit_reached',
);

/** Reading an application's messages in order instead of having them sent. */
export const pollerRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { endpoints, pollers } = deps.store;

  const withEndpoint = async <Query, Body>(
    { application, params }: AppCaller<Query, Body>,
    work: (endpoint: EndpointRecord, consumer: ConsumerPath) => Promise<Answer>,
  ): Promise<Answer> => {
    const endpoint = await endpoints.find(pathOf(application), params['sink_id'] ?? '');
    if (endpoint === null) return notFound();
    const name = params['consumer_id'] ?? '';
    return work(endpoint, { orgId: endpoint.orgId, endpointId: endpoint.id, protocol: 1, name });
  };

  const answer = async (
    caller: AppCaller<unknown, unknown>,
    endpoint: EndpointRecord,
    position: PollPosition,
    query: { readonly limit?: number | undefined; readonly event_type?: string; readonly channel?: string },
  ): Promise<Answer> => {
    const found = await readPoll(deps, pathOf(caller.application), endpoint, {
      position,
      limit: query.limit ?? DEFAULT_LIMIT,
      eventType: query.event_type ?? null,
      channel: query.channel ?? null,
    });
    const rest = { iterator: writePosition(found.next), done: found.done };
    return rendered(200, spliced(rest, 'data', renderedList(found.messages.map((one) => messageOut(one)))));
  };

  const savePosition = async (path: ConsumerPath, position: string): Promise<Refusal | null> => {
    const state: ConsumerState = { position, handed: [], firstOffset: 0, behind: null, leaseUntilMs: 0 };
    for (;;) {
      const present = await pollers.find(path);
      if (present?.position === position) return null;
      const saved = await pollers.save(path, present?.version ?? null, state, MOST_CONSUMERS);
      if (saved === 'saved') return null;
      if (saved === 'too_many') return tooManyConsumers;
    }
  };

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message.poller.poll',
      method: 'get',
      path: AT,
      tag: TAG,
      summary: 'Read on in the messages that an endpoint subscribes to, from an iterator',
      who: 'any',
      query: z.object({
        limit: pollLimit.optional(),
        iterator: iterator.optional(),
        event_type: eventTypeName.optional(),
        channel: channelName.optional(),
        after: moment.optional(),
      }),
      answers: { 200: polled },
    },
    async (caller) =>
      withEndpoint(caller, async (endpoint) => {
        const { query } = caller;
        const start = query.after === undefined ? beginningOf(endpoint) : positionAt(query.after);
        const position = query.iterator === undefined ? start : (readPosition(query.iterator) ?? start);
        const { iterator: _, after: __, ...wish } = query;
        return answer(caller, endpoint, position, wish as { limit?: number });
      }),
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message.poller.consumer-poll',
      method: 'get',
      path: `${AT}/consumer/{consumer_id}`,
      tag: TAG,
      summary: 'Read on where a consumer is; the iterator of an answer confirms that answer',
      who: 'any',
      query: z.object({ limit: pollLimit.optional(), iterator: iterator.optional() }),
      answers: { 200: polled },
    },
    async (caller) =>
      withEndpoint(caller, async (endpoint, consumer) => {
        const { query } = caller;
        const confirmed = query.iterator;
        if (confirmed !== undefined) {
          const problem = await savePosition(consumer, confirmed);
          if (problem !== null) return problem;
        }
        const text = confirmed ?? (await pollers.find(consumer))?.position;
        const position = text === undefined ? beginningOf(endpoint) : readPosition(text);
        if (position === null) return conflict('The consumer is nowhere. Seek to where it should be.');
        return answer(caller, endpoint, position, query.limit === undefined ? {} : { limit: query.limit });
      }),
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message.poller.consumer-seek',
      method: 'post',
      path: `${AT}/consumer/{consumer_id}/seek`,
      tag: TAG,
      summary: 'Put a consumer to a moment',
      who: 'any',
      body: z
        .object({ after: moment })
        .openapi('PollingEndpointConsumerSeekIn', { example: { after: sample.time } }),
      answers: {
        200: z
          .object({ iterator: z.string() })
          .openapi('PollingEndpointConsumerSeekOut', { example: { iterator: exampleIterator } }),
      },
    },
    async (caller) =>
      withEndpoint(caller, async (_endpoint, consumer) => {
        const position = writePosition(positionAt(caller.body.after));
        return (await savePosition(consumer, position)) ?? json(200, { iterator: position });
      }),
  );

  return app;
};
