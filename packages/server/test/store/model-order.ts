import type { DispatchStore, HeldDelivery, OrderedPoll, PolledLine } from '../../src/dispatch/port.ts';
import {
  cancelInPlace,
  heldOf,
  isExpired,
  isTimed,
  letterInPlace,
  liveKey,
  lowerLanes,
  partitionKey,
  toNow,
} from './model-rows.ts';
import type { Run } from './model-run.ts';
import type { Transaction } from './mvcc.ts';
import type { ClosedRow, ExpansionRow, LaneRow, LiveRow, MessageRow, PartitionRow } from './rows.ts';

const keyOf = (row: LiveRow): string => liveKey(row.messageId, row.endpointId);

type Place = { readonly endpointId: string; readonly orderKey: string };
type Placed = LiveRow & { seq: number; orderKey: string };

const isPlaced = (row: LiveRow): row is Placed => row.seq !== null && row.orderKey !== null;

/** What a statement sees of the endpoints that it was asked for. */
const createView = (tx: Transaction) => {
  const byEndpoint = new Map<string, LiveRow[]>();
  for (const [, row] of tx.scan<LiveRow>('live')) {
    if (row.orderKey === null) continue;
    byEndpoint.set(row.endpointId, [...(byEndpoint.get(row.endpointId) ?? []), row]);
  }
  const rowsOf = (endpointId: string): readonly LiveRow[] => byEndpoint.get(endpointId) ?? [];
  const placedOf = ({ endpointId, orderKey }: Place): readonly Placed[] =>
    rowsOf(endpointId).filter((row): row is Placed => isPlaced(row) && row.orderKey === orderKey);
  const blocked = tx
    .scan<ClosedRow>('closed')
    .map(([, row]) => row)
    .filter(({ blocks, letter }) => blocks && letter === 'open');
  const expansions = tx.scan<ExpansionRow>('expansion').map(([, row]) => row);
  return {
    rowsOf,
    /** Nothing of the key is held, and nothing blocks it. */
    isFree: (place: Place): boolean =>
      placedOf(place).every(({ state }) => state !== 'held') &&
      blocked.every((row) => row.endpointId !== place.endpointId || row.orderKey !== place.orderKey),
    head: (place: Place): Placed | undefined =>
      placedOf(place)
        .filter(({ state }) => state === 'waiting')
        .sort((a, b) => a.seq - b.seq)[0],
    /** An older message of the application is still to be unfolded. */
    waits: (row: Placed): boolean =>
      expansions.some(
        ({ applicationId, seq }) => applicationId === row.applicationId && seq !== null && seq < row.seq,
      ),
    keysAfter: (endpointId: string, after: string): readonly string[] => {
      const keys = new Set(
        rowsOf(endpointId)
          .filter(isPlaced)
          .map(({ orderKey }) => orderKey),
      );
      return [...keys].filter((key) => key > after).sort();
    },
    timed: (endpointId: string, nowMs: number): readonly LiveRow[] =>
      rowsOf(endpointId)
        .filter((row) => isTimed(row) && row.dueMs <= nowMs)
        .sort((a, b) => a.dueMs - b.dueMs),
  };
};

/** Polls of what has an order, in memory. */
export const createModelOrder = (run: Run): Pick<DispatchStore, 'pollOrdered'> => {
  /** What is due gets its place at the end. */
  const enlist = (tx: Transaction, row: LiveRow): boolean => {
    if (!tx.tryLock('live', keyOf(row)) || !tx.unchanged('live', keyOf(row))) return false;
    tx.write('live', keyOf(row), { ...row, seq: tx.nextPlace() });
    return true;
  };

  const pollOrdered: DispatchStore['pollOrdered'] = ({ node, lanes, budgetBytes }) =>
    run(async (tx): Promise<OrderedPoll> => {
      const view = createView(tx);
      const again: { endpointId: string; key: string; waits: boolean }[] = [];
      const ends: OrderedPoll['lanes'][number][] = [];
      const heads: { readonly row: Placed; readonly epoch: number }[] = [];

      const look = ({ endpointId, keys, timed, scan }: PolledLine): void => {
        const lane = tx.read<LaneRow>('lane', endpointId);
        const owner = lane === null ? null : tx.read<PartitionRow>('partition', partitionKey(lane.partition));
        if (owner?.node !== node) return;
        const due = view
          .timed(endpointId, tx.nowMs)
          .filter((row) => row.seq === null || view.isFree({ endpointId, orderKey: row.orderKey! }))
          .slice(0, timed);
        for (const row of due) {
          if (row.seq === null && enlist(tx, row))
            again.push({ endpointId, key: row.orderKey!, waits: false });
        }
        const scanned = scan === null ? [] : view.keysAfter(endpointId, scan.after).slice(0, scan.keys);
        const tried = due.filter(isPlaced).map(({ orderKey }) => orderKey);
        for (const orderKey of new Set([...keys, ...scanned, ...tried])) {
          const row = view.head({ endpointId, orderKey });
          if (row !== undefined && row.dueMs <= tx.nowMs && view.isFree({ endpointId, orderKey }))
            heads.push({ row, epoch: owner.epoch });
        }
        const later = view
          .rowsOf(endpointId)
          .filter((row) => isTimed(row) && row.dueMs > tx.nowMs)
          .map(({ dueMs }) => dueMs);
        ends.push({
          endpointId,
          lastKey: scanned.at(-1) ?? null,
          keys: scanned.length,
          nextMs: later.length === 0 ? null : Math.min(...later),
        });
      };
      lanes.forEach(look);

      const deliveries: HeldDelivery[] = [];
      const ended = new Set<string>();
      let bytes = 0;
      heads.sort((a, b) => a.row.seq - b.row.seq || (a.row.endpointId < b.row.endpointId ? -1 : 1));
      for (const { row, epoch } of heads) {
        const key = keyOf(row);
        const askAgain = (waits: boolean): void =>
          void again.push({ endpointId: row.endpointId, key: row.orderKey, waits });
        if (view.waits(row) || !tx.tryLock('live', key) || !tx.unchanged('live', key)) {
          askAgain(true);
          continue;
        }
        const isOver = bytes !== 0 && bytes >= budgetBytes;
        bytes += row.bytes;
        const message = tx.read<MessageRow>('message', row.messageId);
        const isLate = isExpired(row, tx.nowMs);
        if (isOver) askAgain(false);
        else if (isLate || message === null || message.payloadGone) {
          tx.write('live', key, null);
          if (isLate) cancelInPlace(tx, row, 'expired');
          else letterInPlace(tx, row, 'payload_gone');
          ended.add(row.endpointId);
          askAgain(false);
        } else {
          tx.write('live', key, { ...row, state: 'held', node, epoch, heldAtMs: tx.nowMs });
          deliveries.push(heldOf(row, message, epoch));
        }
      }
      await lowerLanes(tx, toNow(tx, ended));
      return { deliveries, again, lanes: ends };
    });

  return { pollOrdered };
};
