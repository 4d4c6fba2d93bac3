import type { DispatchStore, HeldDelivery, LaneState } from '../../src/dispatch/port.ts';
import {
  cancel,
  earliest,
  heldOf,
  isExpired,
  letter,
  liveKey,
  lowerLanes,
  partitionKey,
  toNow,
} from './model-rows.ts';
import type { Run } from './model-run.ts';
import type { Transaction } from './mvcc.ts';
import type { DrainingRow, LaneRow, LiveRow, MessageRow, PartitionRow } from './rows.ts';

/** Polls and lanes, in memory. */
export const createModelLanes = (
  run: Run,
): Pick<
  DispatchStore,
  | 'poll'
  | 'dueLanes'
  | 'loadLanes'
  | 'raiseHints'
  | 'repairHints'
  | 'saveLane'
  | 'closeLane'
  | 'cancelExpired'
> => {
  const poll: DispatchStore['poll'] = ({ node, lanes, budgetBytes }) =>
    run((tx) => {
      const due: LiveRow[] = [];
      const owns = (row: LiveRow): boolean =>
        tx.read<PartitionRow>('partition', partitionKey(row.partition))?.node === node;
      const order = (a: LiveRow, b: LiveRow): number => a.priority - b.priority || a.dueMs - b.dueMs;
      for (const { endpointId, limit, upto } of lanes) {
        const candidates = tx
          .scan<LiveRow>('live')
          .map(([, row]) => row)
          .filter((row) => row.endpointId === endpointId && row.state === 'waiting' && row.dueMs <= tx.nowMs)
          .filter((row) => row.orderKey === null && row.priority <= upto && owns(row))
          .sort(order)
          .filter((row) => {
            const key = liveKey(row.messageId, row.endpointId);
            return tx.tryLock('live', key) && tx.unchanged('live', key);
          });
        due.push(...candidates.slice(0, limit));
      }
      const taken: HeldDelivery[] = [];
      let bytes = 0;
      for (const row of due.sort(order)) {
        if (bytes !== 0 && bytes >= budgetBytes) break;
        bytes += row.bytes;
        const key = liveKey(row.messageId, row.endpointId);
        const message = tx.read<MessageRow>('message', row.messageId);
        if (isExpired(row, tx.nowMs)) {
          tx.write('live', key, null);
          cancel(tx, row, 'expired');
          continue;
        }
        if (message === null || message.payloadGone) {
          tx.write('live', key, null);
          letter(tx, row, 'payload_gone');
          continue;
        }
        const { epoch } = tx.read<PartitionRow>('partition', partitionKey(row.partition))!;
        tx.write('live', key, { ...row, state: 'held', node, epoch, heldAtMs: tx.nowMs });
        taken.push(heldOf(row, message, epoch));
      }
      return taken;
    });

  const abroad = (tx: Transaction, { endpointId, partition }: LaneRow): number | null => {
    const draining = tx
      .scan<DrainingRow>('draining')
      .map(([, row]) => row)
      .filter((row) => row.partition === partition && row.deadlineMs > tx.nowMs);
    if (draining.length === 0) return null;
    return tx
      .scan<LiveRow>('live')
      .filter(
        ([, row]) =>
          row.state === 'held' &&
          row.endpointId === endpointId &&
          draining.some(({ epoch }) => epoch === row.epoch),
      ).length;
  };

  const laneState = (tx: Transaction, row: LaneRow): LaneState => {
    const { partition: _partition, nextDueMs, ...lane } = row;
    return {
      ...lane,
      nextDueMs: nextDueMs === Infinity ? null : nextDueMs,
      abroad: abroad(tx, row),
      hasOrdered: tx
        .scan<LiveRow>('live')
        .some(
          ([, live]) =>
            live.endpointId === row.endpointId && live.state === 'waiting' && live.orderKey !== null,
        ),
    };
  };

  const dueLanes: DispatchStore['dueLanes'] = ({ node, untilMs, after, limit }) =>
    run((tx) => {
      const order = (a: LaneRow, b: LaneRow): number =>
        a.partition - b.partition || a.nextDueMs - b.nextDueMs || (a.endpointId < b.endpointId ? -1 : 1);
      const last = after === null ? null : tx.read<LaneRow>('lane', after.endpointId);
      return tx
        .scan<LaneRow>('lane')
        .map(([, lane]) => lane)
        .filter((lane) => tx.read<PartitionRow>('partition', partitionKey(lane.partition))?.node === node)
        .filter((lane) => lane.nextDueMs < Infinity && lane.nextDueMs <= untilMs)
        .filter(
          (lane) =>
            last === null || after === null || order(lane, { ...last, nextDueMs: after.nextDueMs }) > 0,
        )
        .filter((lane) => lane.endpointId !== after?.endpointId || lane.nextDueMs !== after.nextDueMs)
        .sort(order)
        .slice(0, limit)
        .map((lane) => laneState(tx, lane));
    });

  const raiseHints: DispatchStore['raiseHints'] = (lanes) =>
    run(async (tx) => {
      for (const { endpointId, version } of [...lanes].sort((a, b) =>
        a.endpointId < b.endpointId ? -1 : 1,
      )) {
        if (tx.read<LaneRow>('lane', endpointId)?.version !== version) continue;
        const row = await tx.lock<LaneRow>('lane', endpointId);
        if (row?.version === version)
          tx.write('lane', endpointId, { ...row, nextDueMs: earliest(tx, endpointId) });
      }
    });

  const repairHints: DispatchStore['repairHints'] = ({ after, limit }) =>
    run(async (tx) => {
      const endpoints = tx
        .scan<LiveRow>('live')
        .filter(([, row]) => row.state === 'waiting' && row.endpointId > after)
        .map(([, row]) => row.endpointId);
      const chunk = [...new Set(endpoints)].sort().slice(0, limit);
      for (const endpointId of chunk) {
        const due = earliest(tx, endpointId, () => true);
        const seen = tx.read<LaneRow>('lane', endpointId);
        if (seen === null || seen.nextDueMs <= due) continue;
        const row = await tx.lock<LaneRow>('lane', endpointId);
        if (row !== null && row.nextDueMs > due)
          tx.write('lane', endpointId, { ...row, nextDueMs: due, version: row.version + 1 });
      }
      return chunk.length === limit ? (chunk.at(-1) ?? null) : null;
    });

  const closeLane: DispatchStore['closeLane'] = ({ node, endpointId, reason }) =>
    run((tx) => {
      let count = 0;
      for (const [key, row] of tx.scan<LiveRow>('live')) {
        const owner = tx.read<PartitionRow>('partition', partitionKey(row.partition));
        const isOurs = owner?.node === node && (row.state === 'waiting' || row.epoch === owner.epoch);
        if (
          row.endpointId !== endpointId ||
          !isOurs ||
          !tx.tryLock('live', key) ||
          !tx.unchanged('live', key)
        )
          continue;
        tx.write('live', key, null);
        letter(tx, row, reason);
        count++;
      }
      return count;
    });

  const cancelExpired: DispatchStore['cancelExpired'] = ({ limit }) =>
    run(async (tx) => {
      let count = 0;
      const turns = new Set<string>();
      for (const [key, row] of tx.scan<LiveRow>('live')) {
        if (count === limit || row.state !== 'waiting' || !isExpired(row, tx.nowMs)) continue;
        if (!tx.tryLock('live', key) || !tx.unchanged('live', key)) continue;
        tx.write('live', key, null);
        cancel(tx, row, 'expired');
        if (row.orderKey !== null) turns.add(row.endpointId);
        count++;
      }
      await lowerLanes(tx, toNow(tx, turns));
      return count;
    });

  return {
    poll,
    cancelExpired,
    dueLanes,
    loadLanes: (endpointIds) =>
      run((tx) =>
        tx
          .scan<LaneRow>('lane')
          .filter(([key]) => endpointIds.includes(key))
          .map(([, lane]) => laneState(tx, lane)),
      ),
    raiseHints,
    repairHints,
    saveLane: ({ node, partition, epoch, ...lane }) =>
      run(async (tx) => {
        const isMine = (row: PartitionRow | null): boolean => row?.node === node && row.epoch === epoch;
        if (!isMine(tx.read<PartitionRow>('partition', partitionKey(partition)))) return;
        if (!isMine(await tx.lock<PartitionRow>('partition', partitionKey(partition)))) return;
        if (tx.read('lane', lane.endpointId) === null) return;
        const row = await tx.lock<LaneRow>('lane', lane.endpointId);
        if (row === null) return;
        const { block, failingSinceMs, goneSinceMs } = lane;
        tx.write('lane', lane.endpointId, { ...row, block, failingSinceMs, goneSinceMs });
      }),
    closeLane,
  };
};
