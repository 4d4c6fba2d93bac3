import type { NoticeBoard } from '../../src/api/port.ts';
import { lowerLanes, noticeKey, partitionKey, toNow } from '../store/model-rows.ts';
import type { Run } from '../store/model-run.ts';
import type {
  ApplicationRow,
  ClosedRow,
  EndpointRow,
  LaneRow,
  NodeRow,
  NoticeRow,
  PartitionRow,
} from '../store/rows.ts';

/** What the API writes about endpoints, as far as a run needs it. */
export type EndpointApi = {
  readonly create: (endpoint: EndpointRow) => Promise<boolean>;
  /** False when there is no such endpoint. */
  readonly update: (id: string, change: Partial<EndpointRow>) => Promise<boolean>;
  readonly remove: (id: string) => Promise<boolean>;
  /** Lets the blocked keys of an endpoint go on; how many there were. */
  readonly release: (id: string) => Promise<number>;
};

export const newLane = ({ id, partition }: EndpointRow): LaneRow => ({
  endpointId: id,
  partition,
  nextDueMs: Infinity,
  version: 0,
  block: null,
  failingSinceMs: null,
  goneSinceMs: null,
});

export const createEndpointApi = (statement: (operation: string) => Run): EndpointApi => {
  const raise = async (tx: Parameters<Parameters<Run>[0]>[0], id: string): Promise<void> => {
    const row = await tx.lock<ApplicationRow>('application', id);
    tx.write('application', id, { ...row!, configVersion: row!.configVersion + 1 });
  };
  return {
    create: (endpoint) =>
      statement('createEndpoint')(async (tx) => {
        await raise(tx, endpoint.applicationId);
        if (tx.newest('endpoint', endpoint.id) !== null) return false;
        tx.insert('endpoint', endpoint.id, endpoint);
        tx.insert('lane', endpoint.id, newLane(endpoint));
        return true;
      }),
    update: (id, change) =>
      statement('updateEndpoint')(async (tx) => {
        const seen = tx.read<EndpointRow>('endpoint', id);
        if (seen === null) return false;
        await raise(tx, seen.applicationId);
        const before = await tx.lock<EndpointRow>('endpoint', id);
        if (before === null) return false;
        const after = { ...before, ...change };
        tx.write('endpoint', id, after);
        if ((before.disabled && !after.disabled) || before.url !== after.url) {
          const lane = await tx.lock<LaneRow>('lane', id);
          tx.write('lane', id, {
            ...lane!,
            block: null,
            failingSinceMs: null,
            goneSinceMs: null,
            nextDueMs: Math.min(lane!.nextDueMs, tx.nowMs),
          });
        }
        return true;
      }),
    remove: (id) =>
      statement('removeEndpoint')(async (tx) => {
        const seen = tx.read<EndpointRow>('endpoint', id);
        if (seen === null) return false;
        await raise(tx, seen.applicationId);
        if ((await tx.lock('endpoint', id)) === null) return false;
        tx.write('endpoint', id, null);
        return true;
      }),
    release: (id) =>
      statement('releaseKeys')(async (tx) => {
        const blocking = tx
          .scan<ClosedRow>('closed')
          .filter(([, row]) => row.endpointId === id && row.blocks && row.letter === 'open');
        for (const [key] of blocking) {
          const row = await tx.lock<ClosedRow>('closed', key);
          tx.write('closed', key, { ...row!, blocks: false });
        }
        if (blocking.length > 0) await lowerLanes(tx, toNow(tx, [id]));
        return blocking.length;
      }),
  };
};

/** @param nextId A sequence: what it gave is gone, whatever becomes of the transaction. */
export const createNoticeModel = (
  statement: (operation: string) => Run,
  nextId: () => number,
): NoticeBoard => ({
  post: (node, endpointIds) =>
    statement('postNotices')((tx) => {
      const ids: number[] = [];
      for (const endpointId of endpointIds) {
        // Of a deleted endpoint the row stays; the lane's partition is the same.
        const lane = tx.read<LaneRow>('lane', endpointId);
        const owner = lane === null ? null : tx.read<PartitionRow>('partition', partitionKey(lane.partition));
        if (owner === null || owner.node === null || owner.node === node || owner.untilMs <= tx.nowMs)
          continue;
        const id = nextId();
        tx.insert('notice', noticeKey(id), { id, node: owner.node, endpointId } satisfies NoticeRow);
        ids.push(id);
      }
      return ids;
    }),
  pending: (ids) =>
    statement('pendingNotices')((tx) =>
      ids.filter((id) => {
        const notice = tx.read<NoticeRow>('notice', noticeKey(id));
        const node = notice === null ? null : tx.read<NodeRow>('node', notice.node);
        return node !== null && node.untilMs > tx.nowMs;
      }),
    ),
});
