import { isOrdered, type IdempotencyKey } from '../../src/domain/message.ts';
import type { IngestStore, InsertOutcome, MessageInsert } from '../../src/ingest/port.ts';
import { inKeyOrder } from '../../src/store/insert-messages.ts';
import { scheduledLanes } from '../../src/store/insert-params.ts';
import { insertExpansion } from './model-expansion.ts';
import { liveKey, partitionKey, lowerLanes } from './model-rows.ts';
import type { Transaction } from './mvcc.ts';
import type { Run } from './model-run.ts';
import type { ApplicationRow, LiveRow, MessageRow, PartitionRow } from './rows.ts';

/** IngestStore.insertMessages in memory. */
export const createModelAcceptance = (run: Run): Pick<IngestStore, 'insertMessages' | 'recall'> => {
  const uniqueKeys = ({ message, idempotency }: MessageInsert): string[] => [
    ...(message.eventId === null ? [] : [`event ${message.applicationId} ${message.eventId}`]),
    ...(idempotency === null ? [] : [`key ${idempotency.scope} ${idempotency.key}`]),
  ];

  const insertOne = async (tx: Transaction, item: MessageInsert): Promise<'fresh' | 'stale' | 'conflict'> => {
    const { message } = item;
    const application = tx.read<ApplicationRow>('application', message.applicationId);
    if (application?.orgId !== message.orgId || application.configVersion !== item.configVersion)
      return 'stale';
    const keys = uniqueKeys(item);
    // As ON CONFLICT does: looks at one index after the other, waits for a key in flight, and locks
    // nothing before all are free.
    do {
      for (const key of keys) if ((await tx.whenFree('unique', key)) !== null) return 'conflict';
    } while (!keys.every((key) => tx.tryLock('unique', key)));
    for (const key of keys) tx.write('unique', key, { messageId: message.id });
    const row: MessageRow = { ...message, idempotency: item.idempotency, payloadGone: false };
    tx.insert('message', message.id, row);
    return 'fresh';
  };

  const byKey = (tx: Transaction, { scope, key, requestHash }: IdempotencyKey) => {
    const found = tx
      .scan<MessageRow>('message')
      .map(([, row]) => row)
      .find((row) => row.idempotency?.scope === scope && row.idempotency.key === key);
    if (found === undefined) return null;
    if (found.idempotency?.requestHash !== requestHash) return { kind: 'key_reused' } as const;
    const { idempotency: _key, payloadGone, ...accepted } = found;
    const message = { ...accepted, payload: payloadGone ? null : accepted.payload };
    return { kind: 'repeated', message } as const;
  };
  /** Numbers for those with an order that are due at once, as they came. */
  const placesOf = (tx: Transaction, batch: readonly MessageInsert[]): ReadonlyMap<MessageInsert, number> =>
    new Map(
      batch
        .filter(({ message, deliveries }) => message.deliverAtMs === null && isOrdered(message, deliveries))
        .map((item) => [item, tx.nextPlace()]),
    );

  const explain = (tx: Transaction, item: MessageInsert): InsertOutcome => {
    const rows = tx.scan<MessageRow>('message').map(([, row]) => row);
    const { idempotency, message } = item;
    const found = idempotency === null ? null : byKey(tx, idempotency);
    if (found !== null) return found;
    const byEvent = rows.some(
      (row) => row.applicationId === message.applicationId && row.eventId === message.eventId,
    );
    return message.eventId !== null && byEvent ? { kind: 'event_exists' } : { kind: 'stale' };
  };

  const insertMessages: IngestStore['insertMessages'] = async (node, batch) => {
    const outcomes = await run(async (tx) => {
      const results = new Map<MessageInsert, InsertOutcome | null>();
      const scheduled = scheduledLanes(batch);
      const late = new Map<string, number>();
      const places = placesOf(tx, batch);
      for (const item of inKeyOrder(batch)) {
        const result = await insertOne(tx, item);
        if (result !== 'fresh') {
          results.set(item, result === 'stale' ? { kind: 'stale' } : null);
          continue;
        }
        const held: string[] = [];
        const seq = places.get(item) ?? null;
        insertExpansion(tx, item, seq);
        for (const delivery of item.unfoldedBy === null ? item.deliveries : []) {
          const owner = tx.read<PartitionRow>('partition', partitionKey(delivery.partition));
          const holds =
            delivery.holdEpoch !== null && owner?.node === node && owner.epoch === delivery.holdEpoch;
          const row: LiveRow = {
            messageId: item.message.id,
            endpointId: delivery.endpointId,
            applicationId: item.message.applicationId,
            orgId: item.message.orgId,
            partition: delivery.partition,
            state: holds ? 'held' : 'waiting',
            priority: item.message.priority,
            dueMs: item.message.deliverAtMs ?? tx.nowMs,
            expiresMs: item.message.expiresAtMs,
            epoch: holds ? delivery.holdEpoch : null,
            node: holds ? node : null,
            heldAtMs: holds ? tx.nowMs : null,
            run: 0,
            attempts: 0,
            throttled: 0,
            unknowns: 0,
            bytes: item.message.payload.byteLength,
            policy: null,
            orderKey: delivery.orderKey,
            seq: delivery.orderKey === null ? null : seq,
          };
          tx.insert('live', liveKey(row.messageId, row.endpointId), row);
          if (holds) held.push(delivery.endpointId);
          else late.set(delivery.endpointId, scheduled.get(delivery.endpointId) ?? tx.nowMs);
        }
        results.set(item, { kind: 'accepted', held });
      }
      await lowerLanes(tx, late);
      return batch.map((item) => results.get(item) ?? null);
    });
    if (!outcomes.includes(null)) return { kind: 'done', outcomes: outcomes as InsertOutcome[] };
    const explained = run((tx) => outcomes.map((outcome, index) => outcome ?? explain(tx, batch[index]!)));
    // What cannot be told any more is inserted again.
    const found = await explained.catch(() =>
      outcomes.map((outcome) => outcome ?? ({ kind: 'stale' } as const)),
    );
    return { kind: 'done', outcomes: found };
  };

  return {
    insertMessages,
    recall: (key) => run((tx) => byKey(tx, key)),
  };
};
