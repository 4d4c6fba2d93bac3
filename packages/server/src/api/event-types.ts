import { OpenAPIHono, z } from '@hono/zod-openapi';
import { conflict, json, noContent, notFound } from './answers.ts';
import {
  checkEventType,
  completeEventType,
  eventTypeIn,
  eventTypeOut,
  eventTypePatch,
  eventTypeUpsertIn,
  showEventType,
  tooManyEventTypes,
} from './event-type-shapes.ts';
import { flag, listQuery, order } from './fields.ts';
import { listOf, pageAnswer, pageOf } from './list-out.ts';
import { operate } from './operation.ts';
import { walkOf } from './paging.ts';
import type { ApiDeps } from './port.ts';
import type { EventTypeRecord } from './records.ts';
import type { Tenant } from './tokens.ts';

const TAG = 'Event Type';
const AT = '/event-type/{event_type_name}';

const flagsOf = (principal: Tenant): readonly string[] | null =>
  principal.kind === 'app' ? principal.featureFlags : null;

const maySee = (principal: Tenant, record: EventTypeRecord): boolean => {
  const flags = flagsOf(principal);
  if (flags === null || record.featureFlags === null) return true;
  return record.featureFlags.some((one) => flags.includes(one));
};

/** Event types: what an organisation's messages can be about. */
export const eventTypeRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { eventTypes } = deps.store;
  // Retry policies by event type may concern every application.
  const changed = (orgId: string): Promise<void> =>
    deps.onConfigChange({ orgId, applicationId: null, endpointIds: [] });

  operate(
    app,
    deps,
    {
      id: 'v1.event-type.list',
      method: 'get',
      path: '/event-type',
      tag: TAG,
      summary: 'List event types by name',
      who: 'any',
      query: z.object({
        ...listQuery,
        order: order.optional(),
        include_archived: flag.optional(),
        with_content: flag.optional(),
      }),
      answers: { 200: listOf(eventTypeOut) },
    },
    async ({ principal, query }) => {
      const page = pageOf(query, 'ascending');
      const walked = await eventTypes.list(principal.orgId, walkOf(page), {
        archived: query.include_archived === true,
        withSchemas: query.with_content === true,
        featureFlags: flagsOf(principal),
      });
      return pageAnswer(walked.rows, page, ({ name }) => name, showEventType, walked.stoppedAt);
    },
  );

  operate(
    app,
    deps,
    {
      id: 'v1.event-type.create',
      method: 'post',
      path: '/event-type',
      tag: TAG,
      summary: 'Create an event type, or take an archived one back',
      who: 'org',
      body: eventTypeIn,
      answers: { 201: eventTypeOut },
    },
    async ({ principal, body }) => {
      const checked = checkEventType(deps, body);
      if ('kind' in checked) return checked;
      const fields = completeEventType(checked.value);
      const { orgId } = principal;
      const written = await eventTypes.create(orgId, body.name, fields, deps.clock.nowMs());
      if (written.kind === 'too_much') return tooManyEventTypes;
      if (written.kind === 'conflict') {
        return conflict('An event_type with this name already exists', 'event_type_exists');
      }
      await changed(orgId);
      return json(201, showEventType(written.row));
    },
  );

  operate(
    app,
    deps,
    {
      id: 'v1.event-type.get',
      method: 'get',
      path: AT,
      tag: TAG,
      summary: 'Get an event type',
      who: 'any',
      answers: { 200: eventTypeOut },
    },
    async ({ principal, params }) => {
      const found = await eventTypes.find(principal.orgId, params['event_type_name'] ?? '');
      return found === null || !maySee(principal, found) ? notFound() : json(200, showEventType(found));
    },
  );

  operate(
    app,
    deps,
    {
      id: 'v1.event-type.upsert',
      method: 'put',
      path: AT,
      tag: TAG,
      summary: 'Update an event type, or create it if there is none',
      who: 'org',
      body: eventTypeUpsertIn,
      answers: { 200: eventTypeOut, 201: eventTypeOut },
    },
    async ({ principal, params, body }) => {
      const checked = checkEventType(deps, body);
      if ('kind' in checked) return checked;
      const name = params['event_type_name'] ?? '';
      const fields = completeEventType(checked.value);
      const { orgId } = principal;
      const written = await eventTypes.upsert(orgId, name, fields, deps.clock.nowMs());
      if (written.kind === 'too_much') return tooManyEventTypes;
      await changed(orgId);
      return json(written.created ? 201 : 200, showEventType(written.row));
    },
  );

  operate(
    app,
    deps,
    {
      id: 'v1.event-type.patch',
      method: 'patch',
      path: AT,
      tag: TAG,
      summary: 'Change some fields of an event type',
      who: 'org',
      body: eventTypePatch,
      answers: { 200: eventTypeOut },
    },
    async ({ principal, params, body }) => {
      const checked = checkEventType(deps, body);
      if ('kind' in checked) return checked;
      const name = params['event_type_name'] ?? '';
      const { orgId } = principal;
      const written = await eventTypes.update(orgId, name, checked.value, deps.clock.nowMs());
      if (written.kind === 'missing') return notFound();
      if (written.kind === 'too_much') return tooManyEventTypes;
      await changed(orgId);
      return json(200, showEventType(written.row));
    },
  );

  operate(
    app,
    deps,
    {
      id: 'v1.event-type.delete',
      method: 'delete',
      path: AT,
      tag: TAG,
      summary: 'Archive an event type, or delete it for good',
      who: 'org',
      query: z.object({ expunge: flag.optional() }),
      answers: { 204: null },
    },
    async ({ principal, params, query }) => {
      const name = params['event_type_name'] ?? '';
      const { orgId } = principal;
      const nowMs = deps.clock.nowMs();
      if (!(await eventTypes.remove(orgId, name, query.expunge === true, nowMs))) return notFound();
      await changed(orgId);
      return noContent;
    },
  );

  return app;
};
