import type { HeldDelivery } from '../../src/dispatch/port.ts';
import type { Transaction } from './mvcc.ts';
import type { ClosedRow, LaneRow, LiveRow } from './rows.ts';

// What the model's operations have in common: keys of rows, the fence, lanes, letters.

export const liveKey = (messageId: string, endpointId: string): string => `${messageId} ${endpointId}`;
export const partitionKey = (id: number): string => String(id).padStart(3, '0');
export const drainingKey = (row: { partition: number; epoch: number; node: string }): string =>
  `${partitionKey(row.partition)} ${row.epoch} ${row.node}`;
export const noticeKey = (id: number): string => String(id).padStart(9, '0');
export const closedKey = (row: { endpointId: string; messageId: string; run: number }): string =>
  `${row.endpointId} ${row.messageId} ${row.run}`;

export const lowerLanes = async (tx: Transaction, dues: ReadonlyMap<string, number>): Promise<void> => {
  for (const endpointId of [...dues.keys()].sort()) {
    if (tx.read('lane', endpointId) === null) continue;
    const lane = await tx.lock<LaneRow>('lane', endpointId);
    if (lane === null) continue;
    const nextDueMs = Math.min(lane.nextDueMs, dues.get(endpointId)!);
    tx.write('lane', endpointId, { ...lane, nextDueMs, version: lane.version + 1 });
  }
};
export const toNow = (tx: Transaction, endpointIds: Iterable<string>): Map<string, number> =>
  new Map([...endpointIds].map((endpointId) => [endpointId, tx.nowMs]));

export const earliest = (tx: Transaction, endpointId: string): number =>
  Math.min(
    Infinity,
    ...tx
      .scan<LiveRow>('live')
      .filter(([, row]) => row.endpointId === endpointId && row.state === 'waiting')
      .map(([, row]) => row.dueMs),
  );

export const waiting = (row: LiveRow, dueMs: number): LiveRow => ({
  ...row,
  state: 'waiting',
  node: null,
  epoch: null,
  heldAtMs: null,
  dueMs,
});

/** The fence: the row of the snapshot, locked, not changed since, and still with this token. */
export const fenced = async (
  tx: Transaction,
  node: string,
  delivery: HeldDelivery,
): Promise<LiveRow | null> => {
  const key = liveKey(delivery.messageId, delivery.endpointId);
  const seen = tx.read<LiveRow>('live', key);
  if (seen === null || seen.node !== node || seen.epoch !== delivery.epoch) return null;
  await tx.lock('live', key);
  return tx.unchanged('live', key) ? seen : null;
};

export const isExpired = ({ expiresMs }: LiveRow, nowMs: number): boolean =>
  expiresMs !== null && expiresMs <= nowMs;

const close = (tx: Transaction, row: LiveRow, end: Pick<ClosedRow, 'state' | 'reason' | 'letter'>): void => {
  const { messageId, endpointId, run } = row;
  const closed: ClosedRow = { messageId, endpointId, run, ...end };
  if (tx.newest('closed', closedKey(closed)) === null) tx.insert('closed', closedKey(closed), closed);
};

export const letter = (tx: Transaction, row: LiveRow, reason: string): void =>
  close(tx, row, { state: 'dead', reason, letter: 'open' });

export const cancel = (tx: Transaction, row: LiveRow, reason: string): void =>
  close(tx, row, { state: 'canceled', reason, letter: null });
