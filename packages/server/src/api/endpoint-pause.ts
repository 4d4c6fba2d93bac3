import { OpenAPIHono, z } from '@hono/zod-openapi';
import { invalid, json, notFound } from './answers.ts';
import type { Answer } from './answers.ts';
import { formatDate } from './dates.ts';
import { endpointChanged, endpointPathOf, pathOf } from './endpoints.ts';
import { endpointOut, showEndpoint } from './endpoint-shapes.ts';
import { moment, plainText } from './fields.ts';
import { operateOnApp } from './operation.ts';
import type { ApiDeps } from './port.ts';
import type { ApplicationRecord, PauseRecord } from './records.ts';

const TAG = 'Endpoint';
const AT = '/app/{app_id}/endpoint/{endpoint_id}';
const MAX_REASON = 256;
const MAX_PAUSE_MS = 366 * 86_400_000;

const pauseIn = z
  .object({
    until: moment.nullish(),
    reason: plainText().min(1).max(MAX_REASON, `must be at most ${MAX_REASON} characters long`).nullish(),
  })
  .openapi('EndpointPauseIn', {
    example: { until: '2026-11-05T06:00:00Z', reason: 'their deployment' },
  });

/** Holding an endpoint's deliveries back, and letting them go on. */
export const endpointPauseRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { endpoints } = deps.store;

  /** Answered once no attempt starts by what was before, on whichever node. */
  const change = async (
    application: ApplicationRecord,
    idOrUid: string,
    pause: Omit<PauseRecord, 'sinceMs'> | null,
  ): Promise<Answer> => {
    const found = await endpoints.find(pathOf(application), idOrUid);
    if (found === null) return notFound();
    const path = endpointPathOf(found);
    const written = await endpoints.pause(path, pause, deps.clock.nowMs());
    if (written === null) return notFound();
    await endpointChanged(deps, path);
    return json(200, showEndpoint(written, deps.clock.nowMs()));
  };

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.pause',
      method: 'post',
      path: `${AT}/pause`,
      tag: TAG,
      summary: 'Hold deliveries back until then, or until it is resumed; none is lost or failed',
      who: 'any',
      body: pauseIn,
      bodyOptional: true,
      answers: { 200: endpointOut },
      own: true,
    },
    async ({ application, params, body }) => {
      const untilMs = body.until ?? null;
      const nowMs = deps.clock.nowMs();
      if (untilMs !== null && (untilMs <= nowMs || untilMs > nowMs + MAX_PAUSE_MS)) {
        const latest = formatDate(nowMs + MAX_PAUSE_MS);
        return invalid(
          ['body', 'until'],
          `must be later than now and not after ${latest} (366 days). Leave it out to pause until you resume.`,
        );
      }
      return change(application, params['endpoint_id'] ?? '', { untilMs, reason: body.reason ?? null });
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.resume',
      method: 'post',
      path: `${AT}/resume`,
      tag: TAG,
      summary: 'End a pause: what waited is delivered, few at a time at first',
      who: 'any',
      answers: { 200: endpointOut },
      own: true,
    },
    async ({ application, params }) => change(application, params['endpoint_id'] ?? '', null),
  );

  return app;
};
