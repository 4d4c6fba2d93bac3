import { OpenAPIHono } from '@hono/zod-openapi';
import { noContent } from './answers.ts';
import { operate } from './operation.ts';
import type { ApiDeps } from './port.ts';
import { beginTask, noTarget } from './task-out.ts';

/** The Svix server's way back out of its queue's dead letters; here they are deliveries. */
export const redriveRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  operate(
    app,
    deps,
    {
      id: 'v1.admin.redrive-dlq',
      method: 'post',
      path: '/admin/redrive-dlq',
      tag: 'Admin',
      summary: "Deliver all of the organisation's open dead letters again",
      who: 'org',
      answers: { 204: null },
      hidden: true,
    },
    async ({ principal: { orgId } }) => {
      // What dies again from now on is left for the next time: the tasks come to an end.
      const untilMs = deps.clock.nowMs();
      for (const applicationId of await deps.store.deadLetters.applicationsWithOpen(orgId)) {
        await beginTask(deps, { orgId, applicationId }, 'application.replay', {
          ...noTarget,
          sinceMs: 0,
          untilMs,
        });
      }
      return noContent;
    },
  );
  return app;
};
