import { OpenAPIHono, z } from '@hono/zod-openapi';
import type { RetryPolicy } from '../domain/policy.ts';
import { invalid, json, notFound } from './answers.ts';
import { tooManyEventTypes } from './event-type-shapes.ts';
import { operate } from './operation.ts';
import type { ApiDeps } from './port.ts';

const TAG = 'Event Type';
const AT = '/event-type/{event_type_name}/retry-schedule';
const NANOS = 1_000_000_000;

const duration = z
  .object({
    secs: z.int().min(0, 'must be at least 0'),
    nanos: z
      .int()
      .min(0, 'must be at least 0')
      .max(NANOS - 1, 'must be less than a second'),
  })
  .openapi('Duration');
const schedule = z.object({ retrySchedule: z.array(duration).nullish() }).openapi('RetryScheduleInOut', {
  example: {
    retrySchedule: [
      { secs: 5, nanos: 0 },
      { secs: 300, nanos: 0 },
    ],
  },
});

/** The waits between the attempts of an event type's messages; null: the default. */
export const eventTypeRetryRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { eventTypes } = deps.store;

  const show = (policy: RetryPolicy | null): z.infer<typeof schedule> => ({
    retrySchedule:
      policy === null
        ? null
        : deps.retryWaits(policy).map((seconds) => {
            const secs = Math.floor(seconds);
            return { secs, nanos: Math.round((seconds - secs) * 1000) * (NANOS / 1000) };
          }),
  });

  operate(
    app,
    deps,
    {
      id: 'v1.event-type.get-retry-schedule',
      method: 'get',
      path: AT,
      tag: TAG,
      summary: 'Get the retry schedule of an event type',
      who: 'org',
      answers: { 200: schedule },
    },
    async ({ principal, params }) => {
      const found = await eventTypes.find(principal.orgId, params['event_type_name'] ?? '');
      return found === null ? notFound() : json(200, show(found.retryPolicy));
    },
  );

  operate(
    app,
    deps,
    {
      id: 'v1.event-type.set-retry-schedule',
      method: 'put',
      path: AT,
      tag: TAG,
      summary: 'Set the retry schedule of the messages of an event type; null: the default',
      who: 'org',
      body: schedule,
      answers: { 200: schedule },
    },
    async ({ principal, params, body }) => {
      const waits = body.retrySchedule ?? null;
      const parsed =
        waits === null ? null : deps.parseRetryPolicy(waits.map(({ secs, nanos }) => secs + nanos / NANOS));
      if (parsed?.ok === false) return invalid(['body', 'retrySchedule'], parsed.message);
      const { orgId } = principal;
      const name = params['event_type_name'] ?? '';
      const changes = { retryPolicy: parsed === null ? null : parsed.policy };
      const written = await eventTypes.update(orgId, name, changes, deps.clock.nowMs());
      if (written.kind === 'missing') return notFound();
      if (written.kind === 'too_much') return tooManyEventTypes;
      await deps.onConfigChange({ orgId, applicationId: null, endpointIds: [] });
      return json(200, show(written.row.retryPolicy));
    },
  );

  return app;
};
