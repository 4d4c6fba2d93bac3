import type { BroadcastPost, TaskStep, TaskStore } from '../api/task-port.ts';
import type { TaskInput, TaskKind, TaskProgress, TaskRecord, TaskStatus } from '../api/records.ts';
import { arrayLiteral, textArray } from './binary-array.ts';
import { exceptionOf } from './failure.ts';
import { noteTask } from './operational-events.ts';
import type { Database, Statement } from './postgres.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantTransaction } from './tenant-statement.ts';
import { lowerHint } from './replay-one.ts';
import { workBroadcast } from './task-broadcast.ts';
import { firstCursors, isReplay, taskChunks } from './task-chunks.ts';
import type { ChunkRow, ReplayTask } from './task-chunks.ts';
import { isWalk, workWalk } from './task-walks.ts';
import { onlyOne, walkBounded, windowOf } from './walk-bounded.ts';
import { LOWEST, committed, timeParam, timeParamOrNull } from './written.ts';

type Row = {
  id: string;
  org_id: string;
  app_id: string | null;
  kind: TaskKind;
  status: TaskStatus;
  input: TaskInput;
  progress: Partial<TaskProgress>;
  updated_at: number;
};

const columns = 't.id, t.org_id, t.app_id, t.kind, t.status, t.input, t.progress, t.updated_at';

const recordOf = (row: Row): TaskRecord => ({
  id: row.id,
  orgId: row.org_id,
  applicationId: row.app_id,
  kind: row.kind,
  status: row.status,
  input: row.input,
  progress: { cursor: null, started: 0, skipped: 0, ...row.progress },
  updatedAtMs: row.updated_at,
});

const insert = tenantStatement(
  2,
  'task_insert',
  `insert into task as t (id, org_id, app_id, kind, status, input, created_at, updated_at)
    values ($1, $2, $3, $4, 'running', $5::jsonb, $6, $6) returning ${columns}`,
);
const find = tenantStatement(
  1,
  'task_find',
  `select ${columns} from task t where t.org_id = $1 and t.id = $2`,
);
export const taskWalk = {
  name: 'task_list',
  columns,
  from: 'task t',
  org: 1,
  where: `t.org_id = $1 and ${onlyOne}`,
  key: 't.id',
  filter: '($6::text is null or t.status = $6) and t.kind = any ($7::text[])',
} as const;
const list = walkBounded(taskWalk);
/** Whose it is is not known before. */
const take: Statement = {
  name: 'task_take',
  text: `select ${columns} from task t where t.status = 'running'
      and t.due_at <= clock_timestamp()
    order by t.updated_at, t.id limit 1 for update skip locked`,
};
const advance = tenantStatement(
  2,
  'task_advance',
  `update task t set status = $3, progress = $4::jsonb, updated_at = clock_timestamp(),
      due_at = clock_timestamp() + $5 * interval '1 millisecond'
    where t.id = $1 and t.org_id = $2 returning ${columns}`,
);
const fail = tenantStatement(
  2,
  'task_fail',
  `update task t set status = 'failed', progress = t.progress || $3::jsonb, updated_at = clock_timestamp()
    where t.id = $1 and t.org_id = $2 returning ${columns}`,
);
const cancel = tenantStatement(
  1,
  'task_cancel',
  `update task t set status = 'failed', progress = t.progress || '{"error":"canceled"}'::jsonb,
      updated_at = clock_timestamp()
    where t.org_id = $1 and t.id = $2 and t.status = 'running' returning ${columns}`,
);

/** Before a walk is repeated because what it looks for may have come back. */
const PAUSE_MS = 2000;

const items = tenantStatement(
  1,
  'task_items',
  `select i.key, i.value from task_item i
    where i.task_id = (select t.id from task t where t.org_id = $1 and t.id = $2) and i.key > $3
    order by i.key limit $4`,
);

type Cursor = { readonly text: string; readonly run: number };

const cursorOf = (task: ReplayTask): Cursor => {
  const { cursor } = task.progress;
  if (cursor === null) return { text: firstCursors[task.kind], run: -1 };
  const at = cursor.lastIndexOf(' ');
  return { text: cursor.slice(0, at), run: Number(cursor.slice(at + 1)) };
};

/** One chunk: how far the task is now, which endpoints got work, and how long to wait for the next. */
type Worked = {
  readonly progress: TaskProgress;
  readonly finished: boolean;
  readonly endpointIds: readonly string[];
  readonly pauseMs?: number;
};

const workReplay = async ({ run }: TenantTransaction, task: ReplayTask, chunk: number): Promise<Worked> => {
  const { input } = task;
  const from = cursorOf(task);
  const [done] = await run<ChunkRow>(taskChunks[task.kind], [
    task.orgId,
    task.applicationId,
    input.endpointId,
    timeParam(input.sinceMs),
    timeParamOrNull(input.untilMs),
    arrayLiteral(input.eventTypes),
    input.channel,
    input.tag,
    input.status,
    from.text,
    from.run,
    chunk,
    input.codeClass ?? null,
  ]);
  const { walked, started, cursor, cursor_run: cursorRun } = done!;
  const endpointIds = done!.endpoint_ids ?? [];
  const isThrough = walked < chunk;
  const isRepeated = isThrough && done!.again === true;
  const progress: TaskProgress = {
    cursor: isRepeated ? null : cursor === null ? task.progress.cursor : `${cursor} ${cursorRun ?? 0}`,
    started: task.progress.started + started,
    skipped: task.progress.skipped + walked - started,
  };
  if (endpointIds.length > 0) await run(lowerHint, [arrayLiteral(endpointIds), task.orgId]);
  return { progress, finished: isThrough && !isRepeated, endpointIds, pauseMs: isRepeated ? PAUSE_MS : 0 };
};

/** The operational event of a task that has ended, or null where none is told. */
export type TaskEvent = (ended: TaskRecord) => string | null;

const workChunk = async (
  transaction: TenantTransaction,
  task: TaskRecord,
  chunk: number,
  post: BroadcastPost,
  eventOf: TaskEvent,
): Promise<TaskStep> => {
  const work = (): Promise<Worked> => {
    if (isReplay(task)) return workReplay(transaction, task, chunk);
    if (isWalk(task)) return workWalk(transaction, task, chunk);
    return workBroadcast(transaction, task, chunk, post);
  };
  const { progress, finished, endpointIds, pauseMs = 0 } = await work();
  const status = finished ? 'finished' : 'running';
  const params = [task.id, task.orgId, status, JSON.stringify(progress), pauseMs];
  const [row] = await transaction.run<Row>(advance, params);
  if (finished) await noteTask(transaction, task.orgId, eventOf(recordOf(row!)));
  return { taskId: task.id, finished, endpointIds };
};

/** Background tasks: rows that outlive the process which began them. */
export const createTaskStore = (database: Database, eventOf: TaskEvent): TaskStore => ({
  create: async ({ id, path, kind, input, nowMs }) => {
    const params = [id, path.orgId, path.applicationId, kind, JSON.stringify(input), timeParam(nowMs)];
    const [row] = await database.rows<Row>(insert, params);
    return recordOf(row!);
  },

  find: async (orgId, id) => {
    const [row] = await database.rows<Row>(find, [orgId, id]);
    return row === undefined ? null : recordOf(row);
  },

  list: async (orgId, walk, filter) => {
    const walked = await list<Row>(database, {
      bound: [orgId, null],
      window: windowOf(walk),
      limit: walk.limit,
      extra: [],
      filter: [filter.status, textArray(filter.kinds)],
    });
    return { ...walked, rows: walked.rows.map(recordOf) };
  },

  cancel: async (orgId, id) =>
    committed(database, async (transaction) => {
      const [row] = await transaction.run<Row>(cancel, [orgId, id]);
      if (row === undefined) return null;
      const task = recordOf(row);
      await noteTask(transaction, orgId, eventOf(task));
      return task;
    }),

  items: ({ orgId, taskId }, from, limit) => database.rows(items, [orgId, taskId, from ?? LOWEST, limit + 1]),

  workOne: async (chunk, post) => {
    let taken: TaskRecord | null = null;
    const result = await database.transaction(async (transaction): Promise<TaskStep | null> => {
      const [row] = await transaction.run<Row>(take, []);
      if (row === undefined) return null;
      taken = recordOf(row);
      return workChunk(transaction, taken, chunk, post, eventOf);
    });
    if (result.kind === 'done') return result.value;
    const task = taken as TaskRecord | null;
    if (result.kind !== 'rejected' || task === null) throw exceptionOf(result);
    const why = JSON.stringify({ error: result.detail });
    await committed(database, async (transaction) => {
      const [row] = await transaction.run<Row>(fail, [task.id, task.orgId, why]);
      await noteTask(transaction, task.orgId, eventOf(recordOf(row!)));
    });
    return { taskId: task.id, finished: true, endpointIds: [] };
  },
});
