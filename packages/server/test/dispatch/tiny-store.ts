import { partitionOf } from '../../src/domain/partition.ts';
import type { EndpointConfig } from '../../src/domain/configuration.ts';
import type { RetryPolicy } from '../../src/domain/policy.ts';
import type {
  AttemptRecord,
  DispatchStore,
  HeldDelivery,
  LaneState,
  ManualSettlement,
} from '../../src/dispatch/port.ts';
import type { SimTimers } from './sim-timers.ts';
import { dealShares, type SharesTable } from './tiny-shares.ts';
import { fair, StoreUnavailable, type Weather } from './weather.ts';

/** A row of `live`. */
export type Row = {
  state: 'waiting' | 'held';
  dueMs: number;
  epoch: number;
  node: string;
  heldAtMs: number;
  delivery: HeldDelivery;
};

type PartitionRow = { epoch: number; node: string | null; untilMs: number };
type LaneRow = { -readonly [K in keyof LaneState as Exclude<K, 'abroad'>]: LaneState[K] };
/** Just enough of the store for tests of dispatch: one moment of truth per statement. */
export const createTinyStore = (timers: SimTimers) => {
  const rows = new Map<string, Row>();
  const ends = new Map<string, 'succeeded' | 'dead' | 'canceled'>();
  const attempts: { key: string; record: AttemptRecord | null; id: string }[] = [];
  const lanes = new Map<string, LaneRow>();
  const partitions = new Map<number, PartitionRow>();
  const draining: { partition: number; epoch: number; node: string; untilMs: number }[] = [];
  const nodes = new Map<string, { isTaking: boolean; joinedMs: number; untilMs: number }>();
  const endpoints = new Map<string, EndpointConfig>();
  const policies = new Map<string, ReadonlyMap<string, RetryPolicy>>();
  const calls = new Map<string, number>();
  const notices: { readonly id: number; readonly node: string; readonly endpointId: string }[] = [];
  const shares: SharesTable = new Map();
  const disabled: { endpointId: string; reason: string }[] = [];
  let refuse: (delivery: HeldDelivery, record: AttemptRecord) => boolean = () => false;
  let weather: Weather = fair;

  const keyOf = (messageId: string, endpointId: string): string => `${messageId} ${endpointId}`;
  const now = (): number => timers.nowMs();
  const wait = (ms: number): Promise<void> => new Promise((resolve) => void timers.setTimeout(resolve, ms));

  const statement = async <T>(
    operation: keyof DispatchStore,
    node: string | null,
    commit: () => T,
  ): Promise<T> => {
    calls.set(operation, (calls.get(operation) ?? 0) + 1);
    const { thereMs, backMs, fault } = weather(operation, node);
    await wait(thereMs);
    if (fault === 'before') throw new StoreUnavailable(`${operation}: no connection`);
    const result = commit();
    await wait(backMs);
    if (fault === 'after') throw new StoreUnavailable(`${operation}: connection lost`);
    return result;
  };

  const laneRow = (endpointId: string): LaneRow => {
    let lane = lanes.get(endpointId);
    if (lane === undefined) {
      lane = {
        endpointId,
        nextDueMs: null,
        version: 0,
        block: null,
        ...{ failingSinceMs: null, goneSinceMs: null, hasOrdered: false },
      };
      lanes.set(endpointId, lane);
    }
    return lane;
  };
  const laneState = (lane: LaneRow): LaneState => {
    const partition = partitionOf(lane.endpointId);
    const isLeft = draining.some((token) => token.partition === partition && token.untilMs > now());
    const isAbroad = (row: Row): boolean =>
      row.state === 'held' && row.delivery.endpointId === lane.endpointId && isDraining(row);
    return { ...lane, abroad: isLeft ? [...rows.values()].filter(isAbroad).length : null };
  };
  const lower = (endpointId: string, dueMs: number): void => {
    const lane = laneRow(endpointId);
    lane.version++;
    if (lane.nextDueMs === null || dueMs < lane.nextDueMs) lane.nextDueMs = dueMs;
  };
  const partitionRow = (partition: number): PartitionRow => {
    let row = partitions.get(partition);
    if (row === undefined) {
      row = { epoch: 0, node: null, untilMs: -Infinity };
      partitions.set(partition, row);
    }
    return row;
  };
  const isExpired = ({ delivery: { expiresAtMs } }: Row): boolean =>
    expiresAtMs !== null && expiresAtMs <= now();
  const isCurrent = (row: Row): boolean => {
    const owner = partitionRow(row.delivery.partition);
    return owner.node === row.node && owner.epoch === row.epoch;
  };
  const isDraining = (row: Row): boolean =>
    draining.some(
      (token) =>
        token.partition === row.delivery.partition &&
        token.epoch === row.epoch &&
        token.node === row.node &&
        token.untilMs > now(),
    );
  const isMine = (row: Row | undefined, node: string, delivery: HeldDelivery): row is Row =>
    row !== undefined && row.state === 'held' && row.node === node && row.epoch === delivery.epoch;
  const setWaiting = (row: Row, dueMs: number): void => {
    row.state = 'waiting';
    row.dueMs = dueMs;
    lower(row.delivery.endpointId, dueMs);
  };
  const free = (isFree: (row: Row) => boolean, attemptIds: readonly string[]): number => {
    let freed = 0;
    for (const [key, row] of rows) {
      if (freed === attemptIds.length) break;
      if (row.state !== 'held' || isCurrent(row) || isDraining(row) || !isFree(row)) continue;
      attempts.push({ key, record: null, id: attemptIds[freed]! });
      row.delivery = { ...row.delivery, unknowns: row.delivery.unknowns + 1 };
      setWaiting(row, now());
      freed++;
    }
    return freed;
  };
  const due = (endpointId: string): Row[] =>
    [...rows.values()]
      .filter(
        (row) => row.state === 'waiting' && row.delivery.endpointId === endpointId && row.dueMs <= now(),
      )
      .toSorted((a, b) => a.delivery.priority - b.delivery.priority || a.dueMs - b.dueMs);
  const earliest = (endpointId: string): number | null => {
    let first: number | null = null;
    for (const row of rows.values()) {
      if (row.state !== 'waiting' || row.delivery.endpointId !== endpointId) continue;
      if (first === null || row.dueMs < first) first = row.dueMs;
    }
    return first;
  };
  const owned = (node: string, endpointId: string): boolean =>
    partitionRow(partitionOf(endpointId)).node === node;

  const store: DispatchStore = {
    // Large fan-outs and orders are the model's matter.
    unfold: () => Promise.resolve(null),
    pollOrdered: () => Promise.resolve({ deliveries: [], again: [], lanes: [] }),
    dealShares: (asked) =>
      statement('dealShares', asked[0]?.claim.node ?? null, () => dealShares(shares, asked, now())),
    cluster: () =>
      statement('cluster', null, () => ({
        nodes: [...nodes]
          .filter(([, { untilMs }]) => untilMs > now())
          .map(([node, { isTaking, joinedMs }]) => {
            return { node, name: node, role: 'all', isTaking, ageMs: now() - joinedMs } as const;
          }),
        free: Array.from({ length: 256 }, (_, id) => partitionRow(id)).filter(
          (row) => row.node === null || row.untilMs < now(),
        ).length,
      })),
    heartbeat: ({ node, isTaking, leaseMs, take, seize }) =>
      statement('heartbeat', node, () => {
        const before = nodes.get(node);
        const joinedMs = before !== undefined && before.untilMs >= now() ? before.joinedMs : now();
        nodes.set(node, { isTaking, joinedMs, untilMs: now() + leaseMs });
        let left = take;
        const untilMs = now() + leaseMs;
        for (let partition = 0; partition < 256; partition++) {
          const row = partitionRow(partition);
          if (row.node === node) row.untilMs = untilMs;
          else if (left > 0 && (row.node === null || row.untilMs < now() || seize)) {
            left--;
            Object.assign(row, { node, untilMs, epoch: row.epoch + 1 });
          }
        }
        const mine = [...partitions].filter(([, row]) => row.node === node);
        return { owned: mine.map(([partition, { epoch }]) => ({ partition, epoch })), databaseMs: now() };
      }),
    takeOver: ({ node, attemptIds }) =>
      statement('takeOver', node, () =>
        free((row) => partitionRow(row.delivery.partition).node === node, attemptIds),
      ),
    sweep: ({ attemptIds }) => statement('sweep', null, () => free(() => true, attemptIds)),
    reconcile: ({ node, olderThanMs, isHeld }) =>
      statement('reconcile', node, () => {
        let freed = 0;
        for (const row of rows.values()) {
          const { messageId, endpointId } = row.delivery;
          if (row.state !== 'held' || row.node !== node || !isCurrent(row)) continue;
          if (now() - row.heldAtMs < olderThanMs || isHeld(messageId, endpointId)) continue;
          setWaiting(row, now());
          freed++;
        }
        return freed;
      }),
    handBack: (node, deliveries) =>
      statement('handBack', node, () => {
        for (const delivery of deliveries) {
          const row = rows.get(keyOf(delivery.messageId, delivery.endpointId));
          if (isMine(row, node, delivery)) setWaiting(row, now());
        }
      }),
    release: ({ node, partitions: given, drainMs, isLeaving }) =>
      statement('release', node, () => {
        if (isLeaving) nodes.delete(node);
        for (const { partition, epoch } of given) {
          const row = partitionRow(partition);
          if (row.node !== node || row.epoch !== epoch) continue;
          Object.assign(row, { node: null, untilMs: -Infinity });
          if (drainMs > 0) draining.push({ partition, epoch, node, untilMs: now() + drainMs });
        }
      }),
    settle: async (node, batch) => {
      try {
        return await statement('settle', node, () => {
          const isRefused = batch.some(
            ({ delivery, attempt }) =>
              isMine(rows.get(keyOf(delivery.messageId, delivery.endpointId)), node, delivery) &&
              (refuse(delivery, attempt) || attempts.some(({ id }) => id === attempt.id)),
          );
          if (isRefused) return { kind: 'rejected' as const, detail: 'invalid byte sequence' };
          const outcomes = batch.map(({ delivery, attempt, verdict, policy, ...counters }) => {
            const key = keyOf(delivery.messageId, delivery.endpointId);
            const row = rows.get(key);
            if (!isMine(row, node, delivery)) return 'lost' as const;
            attempts.push({ key, record: attempt, id: attempt.id });
            if (verdict.kind === 'retry') {
              row.delivery = { ...row.delivery, ...counters, policy };
              setWaiting(row, verdict.atMs);
            } else {
              rows.delete(key);
              ends.set(key, verdict.kind);
            }
            return 'settled' as const;
          });
          return { kind: 'done' as const, outcomes };
        });
      } catch (error) {
        return { kind: 'unavailable', detail: String(error) };
      }
    },
    settleManual: (settlement: ManualSettlement) =>
      statement('settleManual', null, () => {
        if (attempts.some(({ id }) => id === settlement.attempt.id)) return;
        const key = keyOf(settlement.messageId, settlement.endpointId);
        attempts.push({ key, record: settlement.attempt, id: settlement.attempt.id });
        if (settlement.succeeded && rows.delete(key)) ends.set(key, 'succeeded');
      }),
    cancelExpired: ({ limit }) =>
      statement('cancelExpired', null, () => {
        const expired = [...rows]
          .filter(([, row]) => row.state === 'waiting' && isExpired(row))
          .slice(0, limit);
        for (const [key] of expired) {
          rows.delete(key);
          ends.set(key, 'canceled');
        }
        return expired.length;
      }),
    poll: ({ node, lanes: polled, budgetBytes }) =>
      statement('poll', node, () => {
        const found: HeldDelivery[] = [];
        let bytes = 0;
        for (const { endpointId, limit, upto } of polled) {
          const owner = partitionRow(partitionOf(endpointId));
          if (owner.node !== node) continue;
          const wanted = due(endpointId).filter(({ delivery }) => delivery.priority <= upto);
          for (const row of wanted.slice(0, limit)) {
            if (isExpired(row)) {
              const key = keyOf(row.delivery.messageId, endpointId);
              rows.delete(key);
              ends.set(key, 'canceled');
              continue;
            }
            if (found.length > 0 && bytes + row.delivery.payload.byteLength > budgetBytes) break;
            bytes += row.delivery.payload.byteLength;
            row.delivery = { ...row.delivery, epoch: owner.epoch };
            Object.assign(row, { state: 'held', node, epoch: owner.epoch, heldAtMs: now() });
            found.push(row.delivery);
          }
        }
        return found;
      }),
    dueLanes: ({ node, untilMs, after, limit }) =>
      statement('dueLanes', node, () => {
        const place = (lane: { endpointId: string; nextDueMs: number | null }): [number, number, string] => [
          partitionOf(lane.endpointId),
          lane.nextDueMs ?? Infinity,
          lane.endpointId,
        ];
        const compare = (a: [number, number, string], b: [number, number, string]): number =>
          a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : a[2] > b[2] ? 1 : 0);
        return [...lanes.values()]
          .filter(
            (lane) => lane.nextDueMs !== null && lane.nextDueMs <= untilMs && owned(node, lane.endpointId),
          )
          .toSorted((a, b) => compare(place(a), place(b)))
          .filter((lane) => after === null || compare(place(lane), place(after)) > 0)
          .slice(0, limit)
          .map(laneState);
      }),
    loadLanes: (ids) =>
      statement('loadLanes', null, () =>
        ids.flatMap((id) => (lanes.has(id) ? [laneState(lanes.get(id)!)] : [])),
      ),
    raiseHints: (asked) =>
      statement('raiseHints', null, () => {
        for (const { endpointId, version } of asked) {
          const lane = laneRow(endpointId);
          if (lane.version === version) lane.nextDueMs = earliest(endpointId);
        }
      }),
    repairHints: () =>
      statement('repairHints', null, () => {
        for (const row of rows.values()) {
          if (row.state !== 'waiting') continue;
          const lane = laneRow(row.delivery.endpointId);
          if (lane.nextDueMs === null || lane.nextDueMs > row.dueMs)
            lower(row.delivery.endpointId, row.dueMs);
        }
        return null;
      }),
    saveLane: ({ node, partition, epoch, endpointId, ...state }) =>
      statement('saveLane', node, () => {
        const owner = partitionRow(partition);
        if (owner.node === node && owner.epoch === epoch) Object.assign(laneRow(endpointId), state);
      }),
    closeLane: ({ endpointId }) =>
      statement('closeLane', null, () => {
        const open = [...rows].filter(([, row]) => row.delivery.endpointId === endpointId);
        for (const [key] of open) {
          rows.delete(key);
          ends.set(key, 'dead');
        }
        return open.length;
      }),
    disableEndpoint: ({ endpointId, reason }) =>
      statement('disableEndpoint', null, () => {
        const endpoint = endpoints.get(endpointId);
        if (endpoint !== undefined) endpoints.set(endpointId, { ...endpoint, disabled: true });
        disabled.push({ endpointId, reason });
      }),
    notices: (node) => statement('notices', node, () => notices.filter((notice) => notice.node === node)),
    confirmNotices: (ids) =>
      statement('confirmNotices', null, () => {
        const kept = notices.filter(({ id }) => !ids.includes(id));
        notices.splice(0, notices.length, ...kept);
      }),
    loadEndpoints: (ids) =>
      statement('loadEndpoints', null, () => ids.flatMap((id) => endpoints.get(id) ?? [])),
    loadEventTypePolicies: (orgId) =>
      statement('loadEventTypePolicies', null, () => policies.get(orgId) ?? new Map()),
  };

  return {
    store,
    rows,
    ends,
    attempts,
    lanes,
    endpoints,
    policies,
    disabled,
    partitions,
    nodes,
    notices,
    shares,
    calls: (operation: keyof DispatchStore): number => calls.get(operation) ?? 0,
    setWeather: (next: Weather | null): void => {
      weather = next ?? fair;
    },
    refuse: (predicate: typeof refuse): void => {
      refuse = predicate;
    },
    laneRow,
    key: keyOf,
    /** A row as an insert writes it: held where `epoch` is the partition's, else waiting and due now. */
    insert: (delivery: HeldDelivery, node: string | null, dueMs: number = now()): 'held' | 'waiting' => {
      const owner = partitionRow(delivery.partition);
      const isHeld = node !== null && owner.node === node && owner.epoch === delivery.epoch;
      const row: Row = {
        state: isHeld ? 'held' : 'waiting',
        dueMs,
        epoch: delivery.epoch,
        node: node ?? '',
        heldAtMs: now(),
        delivery,
      };
      rows.set(keyOf(delivery.messageId, delivery.endpointId), row);
      if (!isHeld) lower(delivery.endpointId, dueMs);
      return row.state;
    },
  };
};

export type TinyStore = ReturnType<typeof createTinyStore>;
