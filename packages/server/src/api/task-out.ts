import { z } from '@hono/zod-openapi';
import { formatDate } from './dates.ts';
import type { ApiDeps } from './port.ts';
import { sharedTaskKinds, taskKinds } from './records.ts';
import type { TaskInput, TaskKind, TaskRecord } from './records.ts';
import { sample } from './sample.ts';

const shown = {
  id: z.string(),
  status: z.enum(['running', 'finished', 'failed']),
  task: z.enum(taskKinds),
  updatedAt: z.string(),
};

/** A task that has just begun, for examples. */
export const startedExample = (task: TaskKind) =>
  ({ id: sample.taskId, status: 'running', task, updatedAt: sample.time }) as const;
export const taskStartedShape = z.object(shown);
/** A task as the call that begins it answers. */
export const taskStarted = taskStartedShape.openapi('RecoverOut', {
  example: startedExample('endpoint.recover'),
});
export const backgroundTaskOut = z
  .object({ ...shown, data: z.record(z.string(), z.unknown()) })
  .openapi('BackgroundTaskOut', {
    example: {
      id: sample.taskId,
      status: 'finished',
      task: 'endpoint.recover',
      updatedAt: sample.later,
      data: {
        appId: sample.appId,
        endpointId: sample.endpointId,
        since: sample.time,
        until: null,
        started: 118,
        skipped: 2,
      },
    },
  });

export const showTaskStarted = (task: TaskRecord): z.infer<typeof taskStarted> => ({
  id: task.id,
  status: task.status,
  task: task.kind,
  updatedAt: formatDate(task.updatedAtMs),
});

type Items = readonly { readonly key: string; readonly value: unknown }[];

/** What a task is about, and in the words that its kind has for it what it has done or found. */
const dataOf = ({ kind, applicationId, input, progress }: TaskRecord, items: Items): object => {
  const { started, skipped } = progress;
  const values = items.map(({ value }) => value);
  const target = {
    appId: applicationId,
    endpointId: input.endpointId,
    since: formatDate(input.sinceMs),
    until: input.untilMs === null ? null : formatDate(input.untilMs),
  };
  switch (kind) {
    case 'application.stats':
      return { appStats: values, since: target.since, until: target.until };
    case 'event-type.aggregate':
      return { event_types: values };
    case 'message.broadcast':
      return { messagesCreated: values, started, skipped };
    case 'application.purge_content':
      return { ...target, messagesPurged: started };
    case 'sdk.generate':
      return {};
    case 'endpoint.cancel':
      return { ...target, messagesCanceled: started };
    case 'endpoint.recover':
    case 'endpoint.replay':
    case 'endpoint.bulk-replay':
    case 'application.replay':
      return { ...target, messagesSent: started, started, skipped };
    default:
      return kind satisfies never;
  }
};

/** @param items What it found, or the first of that; `iterator` then says where the rest begins. */
export const showTask = (
  task: TaskRecord,
  items: Items = [],
  iterator: string | null = null,
): z.infer<typeof backgroundTaskOut> => {
  const { error } = task.progress;
  return {
    ...showTaskStarted(task),
    data: {
      ...dataOf(task, items),
      ...(iterator === null ? {} : { iterator }),
      ...(error === undefined ? {} : { error }),
    },
  };
};

const isShared = (kind: TaskKind): boolean => sharedTaskKinds.some((shared) => shared === kind);

/**
 * The operational event of a task that has ended, as JSON: without the list of what it found, which has no bound.
 * null: the task is of a kind that the SDKs do not know, and strict ones would refuse.
 */
export const taskEvent = (ended: TaskRecord): string | null => {
  if (!isShared(ended.kind)) return null;
  const { id, task, status, data } = showTask(ended);
  const counts = Object.entries(data).filter(([, value]) => !Array.isArray(value));
  return JSON.stringify({
    type: 'background_task.finished',
    data: { taskId: id, task, status, data: Object.fromEntries(counts) },
  });
};

/** The input of a task that works on no endpoint. */
export const noTarget = {
  endpointId: null,
  eventTypes: null,
  channel: null,
  tag: null,
  status: null,
} as const;

/** Writes a task down and sets it going. */
export const beginTask = async (
  deps: ApiDeps,
  path: { readonly orgId: string; readonly applicationId: string | null },
  kind: TaskKind,
  input: TaskInput,
): Promise<TaskRecord> => {
  const task = await deps.store.tasks.create({
    id: deps.ids('task'),
    path,
    kind,
    input,
    nowMs: deps.clock.nowMs(),
  });
  deps.onTask();
  return task;
};
