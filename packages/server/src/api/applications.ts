import { OpenAPIHono, z } from '@hono/zod-openapi';
import {
  applicationChanges,
  applicationFields,
  applicationIn,
  applicationOut,
  applicationPatch,
  showApplication,
} from './application-shapes.ts';
import { conflict, json, noContent, notFound } from './answers.ts';
import { flag, listQuery, order } from './fields.ts';
import { listOf, pageAnswer, pageOf } from './list-out.ts';
import { operate, operateOnApp } from './operation.ts';
import type { ApiDeps, ConfigChange } from './port.ts';
import { walkOf } from './paging.ts';

const TAG = 'Application';

export const uidTaken = conflict('An application with that id or uid already exists');

/** Applications: the tenants of an organisation. */
export const applicationRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { applications } = deps.store;
  const changed = (orgId: string, applicationId: string, endpointIds: readonly string[] = []) =>
    deps.onConfigChange({ orgId, applicationId, endpointIds } satisfies ConfigChange);

  operate(
    app,
    deps,
    {
      id: 'v1.application.list',
      method: 'get',
      path: '/app',
      tag: TAG,
      summary: 'List applications',
      who: 'org',
      query: z.object({
        ...listQuery,
        order: order.optional(),
        exclude_apps_with_no_endpoints: flag.optional(),
        exclude_apps_with_disabled_endpoints: flag.optional(),
      }),
      answers: { 200: listOf(applicationOut) },
    },
    async ({ principal, query }) => {
      const page = pageOf(query, 'ascending');
      const walked = await applications.list(principal.orgId, walkOf(page), {
        withEndpoints: query.exclude_apps_with_no_endpoints === true,
        withEnabledEndpoints: query.exclude_apps_with_disabled_endpoints === true,
      });
      return pageAnswer(walked.rows, page, ({ id }) => id, showApplication, walked.stoppedAt);
    },
  );

  operate(
    app,
    deps,
    {
      id: 'v1.application.create',
      method: 'post',
      path: '/app',
      tag: TAG,
      summary: 'Create an application',
      who: 'org',
      query: z.object({ get_if_exists: flag.optional() }),
      body: applicationIn,
      answers: { 201: applicationOut, 200: applicationOut },
    },
    async ({ principal, query, body }) => {
      const { orgId } = principal;
      const present = async () =>
        query.get_if_exists === true && typeof body.uid === 'string'
          ? applications.find(orgId, body.uid)
          : null;
      const before = await present();
      if (before !== null) return json(200, showApplication(before));
      const nowMs = deps.clock.nowMs();
      const id = deps.ids('application');
      const written = await applications.create(orgId, id, applicationFields(body), nowMs);
      if (written.kind === 'written') return json(201, showApplication(written.row));
      // Somebody else created it between the two statements.
      const meanwhile = await present();
      return meanwhile === null ? uidTaken : json(200, showApplication(meanwhile));
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.application.get',
      method: 'get',
      path: '/app/{app_id}',
      tag: TAG,
      summary: 'Get an application',
      who: 'any',
      answers: { 200: applicationOut },
    },
    async ({ application }) => json(200, showApplication(application)),
  );

  operate(
    app,
    deps,
    {
      id: 'v1.application.upsert',
      method: 'put',
      path: '/app/{app_id}',
      tag: TAG,
      summary: 'Update an application, or create it if there is none',
      who: 'org',
      body: applicationIn,
      answers: { 200: applicationOut, 201: applicationOut },
    },
    async ({ principal, params, body }) => {
      const { orgId } = principal;
      const nowMs = deps.clock.nowMs();
      const fields = applicationFields(body);
      const present = await applications.find(orgId, params['app_id'] ?? '');
      if (present === null) {
        const created = await applications.create(orgId, deps.ids('application'), fields, nowMs);
        return created.kind === 'written' ? json(201, showApplication(created.row)) : uidTaken;
      }
      const path = { orgId, applicationId: present.id };
      const updated = await applications.update(path, fields, nowMs);
      if (updated.kind === 'missing') return notFound();
      if (updated.kind === 'conflict') return conflict();
      await changed(orgId, present.id);
      return json(200, showApplication(updated.row));
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.application.patch',
      method: 'patch',
      path: '/app/{app_id}',
      tag: TAG,
      summary: 'Change some fields of an application',
      who: 'org',
      body: applicationPatch,
      answers: { 200: applicationOut },
    },
    async ({ principal, application, body }) => {
      const path = { orgId: principal.orgId, applicationId: application.id };
      const updated = await applications.update(path, applicationChanges(body), deps.clock.nowMs());
      if (updated.kind === 'missing') return notFound();
      if (updated.kind === 'conflict') return conflict();
      await changed(path.orgId, application.id);
      return json(200, showApplication(updated.row));
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.application.delete',
      method: 'delete',
      path: '/app/{app_id}',
      tag: TAG,
      summary: 'Delete an application with its endpoints',
      who: 'org',
      answers: { 204: null },
    },
    async ({ principal, application }) => {
      const path = { orgId: principal.orgId, applicationId: application.id };
      const endpointIds = await applications.remove(path, deps.clock.nowMs());
      if (endpointIds === null) return notFound();
      await changed(path.orgId, application.id, endpointIds);
      return noContent;
    },
  );

  return app;
};
