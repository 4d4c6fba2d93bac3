import { OpenAPIHono, z } from '@hono/zod-openapi';
import { badRequest, notFound, refused } from './answers.ts';
import type { Refusal } from './answers.ts';
import { endpointPathOf, pathOf } from './endpoints.ts';
import { eventTypeName } from './fields.ts';
import { rendered } from './list-out.ts';
import { messageOut } from './message-out.ts';
import { messageOutShape } from './message-shapes.ts';
import { operateOnApp } from './operation.ts';
import type { ApiDeps } from './port.ts';
import { sample } from './sample.ts';

/** The event type that every endpoint can be tested with. */
const PING = 'svix.ping';
const MAX_INDEX = 1000;

const exampleIn = z
  .object({
    eventType: eventTypeName,
    exampleIndex: z
      .int()
      .min(0, 'must be at least 0')
      .max(MAX_INDEX, `must be at most ${MAX_INDEX}`)
      .nullish(),
  })
  .openapi('EventExampleIn', { example: { eventType: sample.eventType } });

export const notTaken: Refusal = refused(
  503,
  'unavailable',
  'The message cannot be taken now. Try again in a moment.',
);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The example of the newest version of an event type's schemas. */
const exampleOf = (
  schemas: Readonly<Record<string, unknown>> | null,
  index: number,
): Record<string, unknown> | null => {
  const newest = Object.entries(schemas ?? {})
    .toSorted(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1)?.[1];
  if (!isRecord(newest)) return null;
  const { examples, example } = newest;
  const found: unknown = Array.isArray(examples) ? examples[index] : index === 0 ? example : undefined;
  return isRecord(found) ? found : null;
};

/** One example message, to one endpoint. */
export const sendExampleRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();

  const payloadOf = async (
    orgId: string,
    eventType: string,
    index: number,
  ): Promise<{ readonly value: Record<string, unknown> } | Refusal> => {
    if (eventType === PING) return { value: { success: true } };
    const found = await deps.store.eventTypes.find(orgId, eventType);
    if (found === null) return notFound('Event type not found');
    const value = exampleOf(found.schemas, index);
    return value === null
      ? badRequest(
          'The schema of this event type has no such example. Add one under `examples`, as a JSON object.',
          'invalid_scheme',
        )
      : { value };
  };

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.send-example',
      method: 'post',
      path: '/app/{app_id}/endpoint/{endpoint_id}/send-example',
      tag: 'Endpoint',
      summary: 'Send an example message to this endpoint alone',
      who: 'org',
      body: exampleIn,
      answers: { 200: messageOutShape },
    },
    async ({ application, params, body }) => {
      const endpoint = await deps.store.endpoints.find(pathOf(application), params['endpoint_id'] ?? '');
      if (endpoint === null) return notFound();
      const payload = await payloadOf(application.orgId, body.eventType, body.exampleIndex ?? 0);
      if ('kind' in payload) return payload;
      const placed = await deps.place({
        ...endpointPathOf(endpoint),
        eventType: body.eventType,
        payload: Buffer.from(JSON.stringify(payload.value)),
        contentType: 'application/json',
      });
      return placed.kind === 'placed' ? rendered(200, messageOut(placed.message)) : notTaken;
    },
  );

  return app;
};
