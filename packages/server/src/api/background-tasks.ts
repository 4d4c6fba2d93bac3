import { OpenAPIHono, z } from '@hono/zod-openapi';
import { conflict, json, notFound } from './answers.ts';
import { flag, idOrUid, listQuery, order } from './fields.ts';
import { listOf, pageAnswer, pageOf } from './list-out.ts';
import { operate } from './operation.ts';
import { writeWebhooks } from './openapi-webhooks.ts';
import { walkOf } from './paging.ts';
import type { ApiDeps } from './port.ts';
import { sharedTaskKinds, taskKinds } from './records.ts';
import type { TaskKind, TaskRecord } from './records.ts';
import { backgroundTaskOut, showTask } from './task-out.ts';
import type { Tenant } from './tokens.ts';

const TAG = 'Background Task';
const AT = '/background-task/{task_id}';
const ITEMS = 10_000;

/** Which kinds a list shows: the named one, or those that the official SDKs know. */
const kindsFor = (task: string | undefined, withOwn: boolean): readonly TaskKind[] => {
  if (task !== undefined) return taskKinds.filter((known) => known === task);
  return withOwn ? taskKinds : sharedTaskKinds;
};

/** Background tasks: what takes longer than a request, with how far it is. */
export const backgroundTaskRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { tasks } = deps.store;

  const find = async (principal: Tenant, id: string): Promise<TaskRecord | null> => {
    const task = await tasks.find(principal.orgId, id);
    if (task === null) return null;
    return principal.kind === 'app' && task.applicationId !== principal.applicationId ? null : task;
  };

  operate(
    app,
    deps,
    {
      id: 'v1.background-task.list',
      method: 'get',
      path: '/background-task',
      tag: TAG,
      summary: 'List background tasks, newest first',
      who: 'org',
      query: z.object({
        ...listQuery,
        order: order.optional(),
        status: z.enum(['running', 'finished', 'failed']).optional(),
        task: z.string().optional(),
        include_own: flag.optional(),
      }),
      answers: { 200: listOf(backgroundTaskOut) },
    },
    async ({ principal, query }) => {
      const page = pageOf(query, 'descending');
      const walked = await tasks.list(principal.orgId, walkOf(page), {
        status: query.status ?? null,
        kinds: kindsFor(query.task, query.include_own === true),
      });
      return pageAnswer(
        walked.rows,
        page,
        ({ id }) => id,
        (task) => showTask(task),
        walked.stoppedAt,
      );
    },
  );

  operate(
    app,
    deps,
    {
      id: 'v1.background-task.get',
      method: 'get',
      path: AT,
      tag: TAG,
      summary: 'Get a background task with its progress and what it found, up to 10,000 items at a time',
      who: 'any',
      query: z.object({ iterator: idOrUid.optional() }),
      answers: { 200: backgroundTaskOut },
    },
    async ({ principal, params, query }) => {
      const task = await find(principal, params['task_id'] ?? '');
      if (task === null) return notFound();
      const path = { orgId: principal.orgId, taskId: task.id };
      const items = await tasks.items(path, query.iterator ?? null, ITEMS);
      const shown = items.slice(0, ITEMS);
      const iterator = items.length > ITEMS ? shown.at(-1)!.key : null;
      const out = showTask(task, shown, iterator);
      if (task.kind !== 'sdk.generate' || task.status !== 'finished') return json(200, out);
      const all = await deps.store.eventTypes.all(principal.orgId);
      const spec = writeWebhooks(all.filter(({ archived }) => !archived));
      return json(200, { ...out, data: { ...out.data, spec } });
    },
  );

  operate(
    app,
    deps,
    {
      id: 'v1.background-task.cancel',
      method: 'post',
      path: `${AT}/cancel`,
      tag: TAG,
      summary: 'Stop a background task; what it has done stays done',
      who: 'any',
      needs: 'CreateAttempts',
      answers: { 200: backgroundTaskOut },
      own: true,
    },
    async ({ principal, params }) => {
      const task = await find(principal, params['task_id'] ?? '');
      if (task === null) return notFound();
      const canceled = await tasks.cancel(principal.orgId, task.id);
      return canceled === null
        ? conflict('The task is not running any more.', 'task_not_running')
        : json(200, showTask(canceled));
    },
  );

  return app;
};
