import type { DispatchStore, HeldDelivery } from '../../src/dispatch/port.ts';
import { liveKey, partitionKey, drainingKey, lowerLanes, toNow, waiting, fenced } from './model-rows.ts';
import type { Transaction } from './mvcc.ts';
import type { Run } from './model-run.ts';
import type { AttemptRow, DrainingRow, LiveRow, NodeRow, PartitionRow } from './rows.ts';

/** Leases, and what becomes of held rows whose holder is gone, in memory. */
export const createModelOwnership = (
  run: Run,
): Pick<
  DispatchStore,
  'heartbeat' | 'cluster' | 'release' | 'takeOver' | 'sweep' | 'reconcile' | 'handBack'
> => {
  const heartbeat: DispatchStore['heartbeat'] = ({ node, name, role, isTaking, leaseMs, take, seize }) =>
    run(async (tx) => {
      const owned: { partition: number; epoch: number }[] = [];
      const rows = tx.scan<PartitionRow>('partition');
      for (const [key, seen] of rows) {
        if (seen.node !== node) continue;
        const row = await tx.lock<PartitionRow>('partition', key);
        if (row?.node !== node) continue;
        tx.write('partition', key, { ...row, untilMs: tx.nowMs + leaseMs });
        owned.push({ partition: row.id, epoch: row.epoch });
      }
      let taken = 0;
      const free = (row: PartitionRow): boolean => row.node === null || row.untilMs < tx.nowMs || seize;
      for (const [key, seen] of rows) {
        if (taken === take) break;
        if (seen.node === node || !free(seen) || !tx.tryLock('partition', key)) continue;
        const row = tx.newest<PartitionRow>('partition', key);
        if (row === null || row.node === node || !free(row)) continue;
        tx.write('partition', key, { ...row, node, epoch: row.epoch + 1, untilMs: tx.nowMs + leaseMs });
        owned.push({ partition: row.id, epoch: row.epoch + 1 });
        taken++;
      }
      // Last, as PostgreSQL runs what nothing else in a statement reads.
      for (const [key] of seize ? tx.scan<NodeRow>('node') : []) {
        const other = key === node ? null : await tx.lock<NodeRow>('node', key);
        if (other !== null) tx.write('node', key, { ...other, isTaking: false, untilMs: -Infinity });
      }
      const before = await tx.lock<NodeRow>('node', node);
      const joinedMs = before !== null && before.untilMs >= tx.nowMs ? before.joinedMs : tx.nowMs;
      const announced: NodeRow = { node, name, role, isTaking, joinedMs, untilMs: tx.nowMs + leaseMs };
      tx.write('node', node, announced);
      owned.sort((a, b) => a.partition - b.partition);
      return { owned, databaseMs: tx.nowMs };
    });

  const cluster: DispatchStore['cluster'] = () =>
    run((tx) => {
      const nodes = tx.scan<NodeRow>('node').map(([, row]) => row);
      const isFree = ([, row]: [string, PartitionRow]): boolean =>
        row.node === null || row.untilMs < tx.nowMs;
      return {
        nodes: nodes
          .filter(({ untilMs }) => untilMs > tx.nowMs)
          .map(({ joinedMs, untilMs: _until, ...rest }) => ({ ...rest, ageMs: tx.nowMs - joinedMs })),
        free: tx.scan<PartitionRow>('partition').filter(isFree).length,
      };
    });

  const release: DispatchStore['release'] = ({ node, partitions, drainMs, isLeaving }) =>
    run(async (tx) => {
      for (const { partition, epoch } of partitions) {
        const key = partitionKey(partition);
        const name = drainingKey({ partition, epoch, node });
        const draining: DrainingRow = { partition, epoch, node, deadlineMs: tx.nowMs + drainMs };
        if (tx.read('draining', name) !== null) {
          await tx.lock('draining', name);
          tx.write('draining', name, drainMs > 0 ? draining : null);
        }
        const seen = tx.read<PartitionRow>('partition', key);
        if (seen?.node !== node || seen.epoch !== epoch) continue;
        const row = await tx.lock<PartitionRow>('partition', key);
        if (row?.node !== node || row.epoch !== epoch) continue;
        tx.write('partition', key, { ...row, node: null, untilMs: -Infinity });
        if (drainMs > 0) tx.insert('draining', name, draining);
      }
      const self = isLeaving ? await tx.lock<NodeRow>('node', node) : null;
      if (self !== null) tx.write('node', node, { ...self, isTaking: false, untilMs: -Infinity });
    });

  const free = async (
    tx: Transaction,
    attemptIds: readonly string[],
    mine: (partition: PartitionRow) => boolean,
  ): Promise<number> => {
    const freed = new Set<string>();
    let count = 0;
    for (const [key, row] of tx.scan<LiveRow>('live')) {
      if (row.state !== 'held' || count === attemptIds.length) continue;
      const partition = tx.read<PartitionRow>('partition', partitionKey(row.partition))!;
      const current = partition.node !== null && partition.epoch === row.epoch;
      const draining = tx.read<DrainingRow>(
        'draining',
        drainingKey(row as { partition: number; epoch: number; node: string }),
      );
      if (!mine(partition) || current || (draining !== null && draining.deadlineMs > tx.nowMs)) continue;
      if (!tx.tryLock('live', key) || !tx.unchanged('live', key)) continue;
      const unknowns = row.unknowns + 1;
      tx.write('live', key, {
        ...waiting(row, tx.nowMs),
        unknowns,
        attempts: row.attempts + (unknowns > 2 ? 1 : 0),
      });
      const attempt: AttemptRow = {
        id: attemptIds[count++]!,
        messageId: row.messageId,
        endpointId: row.endpointId,
        run: row.run,
        status: 2,
        final: null,
        manual: false,
        cause: 'unknown',
        nextMs: tx.nowMs,
      };
      tx.insert('attempt', attempt.id, attempt);
      freed.add(row.endpointId);
    }
    await lowerLanes(tx, toNow(tx, freed));
    return count;
  };

  const putBack = async (tx: Transaction, node: string, held: readonly HeldDelivery[]): Promise<number> => {
    const freed: string[] = [];
    for (const delivery of held) {
      const row = await fenced(tx, node, delivery);
      if (row === null) continue;
      tx.write('live', liveKey(row.messageId, row.endpointId), waiting(row, tx.nowMs));
      freed.push(row.endpointId);
    }
    await lowerLanes(tx, toNow(tx, freed));
    return freed.length;
  };

  return {
    heartbeat,
    cluster,
    release,
    takeOver: ({ node, attemptIds }) =>
      run((tx) => free(tx, attemptIds, (partition) => partition.node === node)),
    sweep: ({ attemptIds }) =>
      run(async (tx) => {
        for (const [key, row] of tx.scan<DrainingRow>('draining')) {
          if (row.deadlineMs < tx.nowMs && tx.tryLock('draining', key)) tx.write('draining', key, null);
        }
        return free(tx, attemptIds, () => true);
      }),
    reconcile: async ({ node, olderThanMs, isHeld }) => {
      const old = await run((tx) =>
        tx
          .scan<LiveRow>('live')
          .map(([, row]) => row)
          .filter((row) => {
            const owner = tx.read<PartitionRow>('partition', partitionKey(row.partition));
            const mine = row.node === node && owner?.node === node && owner.epoch === row.epoch;
            return mine && row.heldAtMs !== null && row.heldAtMs < tx.nowMs - olderThanMs;
          }),
      );
      const lost = old.filter((row) => !isHeld(row.messageId, row.endpointId));
      return run((tx) => putBack(tx, node, lost as unknown as HeldDelivery[]));
    },
    handBack: async (node, deliveries) => {
      await run((tx) => putBack(tx, node, deliveries));
    },
  };
};
