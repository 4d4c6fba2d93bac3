import type { BroadcastPost } from '../api/task-port.ts';
import type { TaskProgress, TaskRecord } from '../api/records.ts';
import { idFloor, idTimeMs } from '../domain/ids.ts';
import { broadcastScope } from '../domain/message.ts';
import { textArray } from './binary-array.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantTransaction } from './tenant-statement.ts';
import { LOWEST, timeParam } from './written.ts';

/** How many applications are posted to at once. */
const AT_ONCE = 50;
const CLOCKS_DIFFER_MS = 60_000;

const walk = tenantStatement(
  1,
  'task_broadcast_walk',
  `select a.id from application a
    where a.org_id = $1 and a.deleted_at is null and a.id > $2 and a.created_at <= $3
    order by a.id limit $4`,
);
// The key alone holds for a day; a task that stood still for longer looks for what it had posted.
const posted = tenantStatement(
  1,
  'task_broadcast_posted',
  `select m.app_id, m.id from message m
    where m.org_id = $1 and m.idem_scope = $2 and m.idem_key = any ($3::text[]) and m.id >= $4`,
);
const keep = tenantStatement(
  4,
  'task_broadcast_keep',
  `insert into task_item (task_id, key, value)
    select $1, t.app_id, jsonb_build_object('appId', t.app_id, 'msgId', t.msg_id)
    from unnest($2::text[], $3::text[]) as t (app_id, msg_id)
    where exists (select from task k where k.id = $1 and k.org_id = $4) on conflict do nothing`,
);

/**
 * Posts to the next applications and keeps what came of it. Ends after some of them may have been
 * posted to without a trace here: whoever comes next finds their messages by scope and key.
 */
export const workBroadcast = async (
  { run }: TenantTransaction,
  task: TaskRecord,
  chunk: number,
  post: BroadcastPost,
): Promise<{ progress: TaskProgress; finished: boolean; endpointIds: [] }> => {
  const { input, progress, orgId } = task;
  const { message } = input;
  if (message === undefined) throw new Error(`the broadcast ${task.id} has no message`);
  const most = Math.min(chunk, AT_ONCE);
  const applications = (
    await run<{ id: string }>(walk, [orgId, progress.cursor ?? LOWEST, timeParam(input.sinceMs), most])
  ).map(({ id }) => id);
  const sent = new Map<string, string | null>();
  const since = idFloor('message', (idTimeMs(task.id) ?? 0) - CLOCKS_DIFFER_MS);
  const before = await run<{ app_id: string; id: string }>(posted, [
    orgId,
    broadcastScope(task.id),
    textArray(applications),
    since,
  ]);
  for (const row of before) sent.set(row.app_id, row.id);
  await Promise.all(
    applications
      .filter((id) => !sent.has(id))
      .map(async (id) => sent.set(id, await post({ id: task.id, orgId }, id, message))),
  );
  const taken = applications.flatMap((id) => {
    const messageId = sent.get(id);
    return messageId === null || messageId === undefined ? [] : [[id, messageId] as const];
  });
  await run(keep, [
    task.id,
    textArray(taken.map(([id]) => id)),
    textArray(taken.map(([, messageId]) => messageId)),
    orgId,
  ]);
  return {
    progress: {
      cursor: applications.at(-1) ?? progress.cursor,
      started: progress.started + taken.length,
      skipped: progress.skipped + applications.length - taken.length,
    },
    finished: applications.length < most,
    endpointIds: [],
  };
};
