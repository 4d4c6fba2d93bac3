import type { Priority } from '../../src/domain/delivery.ts';
import type { DispatchStore } from '../../src/dispatch/port.ts';
import { WHOLE_ENDPOINT } from '../../src/domain/delivery.ts';
import type { MessageInsert } from '../../src/ingest/port.ts';
import { liveKey, lowerLanes, partitionKey } from './model-rows.ts';
import type { Run } from './model-run.ts';
import type { Transaction } from './mvcc.ts';
import type { EndpointRow, ExpansionRow, LiveRow, MessageRow, PartitionRow } from './rows.ts';

/** What an accepted message leaves behind for the owner of its application's partition. */
export const insertExpansion = (
  tx: Transaction,
  { message, deliveries, unfoldedBy }: MessageInsert,
  seq: number | null,
): void => {
  if (unfoldedBy === null) return;
  const row: ExpansionRow = {
    messageId: message.id,
    applicationId: message.applicationId,
    orgId: message.orgId,
    partition: unfoldedBy,
    priority: message.priority,
    bytes: message.payload.byteLength,
    endpointIds: deliveries.map(({ endpointId }) => endpointId),
    unfolded: 0,
    turnMs: tx.nowMs,
    orderingKey: message.orderingKey,
    seq,
  };
  tx.insert('expansion', row.messageId, row);
};

/** DispatchStore.unfold in memory. */
export const createModelExpansion = (run: Run): Pick<DispatchStore, 'unfold'> => {
  /** The first of an own partition that nobody else is at, as it is now. */
  const takeTurn = (tx: Transaction, node: string, priority: Priority): ExpansionRow | null => {
    const turns = tx
      .scan<ExpansionRow>('expansion')
      .map(([, row]) => row)
      .filter((row) => row.priority === priority)
      .filter(({ partition }) => tx.read<PartitionRow>('partition', partitionKey(partition))?.node === node)
      .sort((a, b) => a.turnMs - b.turnMs || (a.messageId < b.messageId ? -1 : 1));
    for (const { messageId } of turns) {
      if (!tx.tryLock('expansion', messageId)) continue;
      const newest = tx.newest<ExpansionRow>('expansion', messageId);
      if (newest !== null) return newest;
    }
    return null;
  };

  return {
    unfold: ({ node, limit, classes }) =>
      run(async (tx) => {
        let turn: ExpansionRow | null = null;
        for (const priority of classes) turn ??= takeTurn(tx, node, priority);
        if (turn === null) return null;
        const message = tx.read<MessageRow>('message', turn.messageId);
        const dueMs = message?.deliverAtMs ?? tx.nowMs;
        const unfolded = turn.unfolded + limit;
        const endpoints = turn.endpointIds
          .slice(turn.unfolded, unfolded)
          .map((id) => tx.read<EndpointRow>('endpoint', id))
          .filter((row) => row !== null);
        for (const { id, partition, fifo } of endpoints) {
          const orderKey = fifo === true ? WHOLE_ENDPOINT : turn.orderingKey;
          const row: LiveRow = {
            messageId: turn.messageId,
            endpointId: id,
            applicationId: turn.applicationId,
            orgId: turn.orgId,
            partition,
            state: 'waiting',
            priority: turn.priority,
            dueMs,
            expiresMs: message?.expiresAtMs ?? null,
            epoch: null,
            node: null,
            heldAtMs: null,
            run: 0,
            attempts: 0,
            throttled: 0,
            unknowns: 0,
            bytes: turn.bytes,
            policy: null,
            orderKey,
            seq: orderKey === null ? null : turn.seq,
          };
          tx.insert('live', liveKey(turn.messageId, id), row);
        }
        await lowerLanes(tx, new Map(endpoints.map(({ id }) => [id, dueMs])));
        const rest = unfolded < turn.endpointIds.length ? { ...turn, unfolded, turnMs: tx.nowMs } : null;
        tx.write('expansion', turn.messageId, rest);
        return endpoints.map(({ id }) => id);
      }),
  };
};
