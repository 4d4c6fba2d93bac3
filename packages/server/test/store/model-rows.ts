import type { HeldDelivery } from '../../src/dispatch/port.ts';
import type { Transaction } from './mvcc.ts';
import type { ClosedRow, EndpointRow, LaneRow, LiveRow, MessageRow } from './rows.ts';

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

export const earliest = (
  tx: Transaction,
  endpointId: string,
  counts: (row: LiveRow) => boolean = isDueByItself,
): number =>
  Math.min(
    Infinity,
    ...tx
      .scan<LiveRow>('live')
      .filter(([, row]) => row.endpointId === endpointId && row.state === 'waiting' && counts(row))
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

/** Waits for its time: has an order, and is scheduled or was tried. */
export const isTimed = ({ orderKey, state, seq, attempts, throttled, unknowns }: LiveRow): boolean =>
  orderKey !== null && state === 'waiting' && (seq === null || attempts + throttled + unknowns > 0);

/** Its time is what its lane waits for: not behind others of its key. */
const isDueByItself = (row: LiveRow): boolean => row.orderKey === null || isTimed(row);

/** What a poll answers of a row that it has taken. */
export const heldOf = (row: LiveRow, message: MessageRow, epoch: number): HeldDelivery => ({
  orgId: row.orgId,
  applicationId: row.applicationId,
  endpointId: row.endpointId,
  messageId: row.messageId,
  partition: row.partition,
  epoch,
  priority: row.priority,
  orderKey: row.orderKey,
  expiresAtMs: row.expiresMs,
  attemptsUsed: row.attempts,
  throttled: row.throttled,
  unknowns: row.unknowns,
  run: row.run,
  policy: row.policy,
  eventType: message.eventType,
  channels: message.channels,
  tags: message.tags,
  payload: message.payload,
  contentType: message.contentType,
  openSlot: null,
});

export const isExpired = ({ expiresMs }: LiveRow, nowMs: number): boolean =>
  expiresMs !== null && expiresMs <= nowMs;

type End = Omit<ClosedRow, 'messageId' | 'endpointId' | 'run'>;
const nowhere = { orderKey: null, seq: null, blocks: false };

/** Its place in its order, as a letter keeps it, and whether it blocks its key. */
const placeOf = (tx: Transaction, { endpointId, orderKey, seq }: LiveRow, isDead: boolean) => {
  const endpoint = tx.read<EndpointRow>('endpoint', endpointId);
  return { orderKey, seq, blocks: isDead && seq !== null && endpoint?.poisonPolicy === 'block' };
};

const close = (tx: Transaction, row: LiveRow, end: End): void => {
  const { messageId, endpointId, run } = row;
  const closed: ClosedRow = { messageId, endpointId, run, ...end };
  if (tx.newest('closed', closedKey(closed)) === null) tx.insert('closed', closedKey(closed), closed);
};

export const letter = (tx: Transaction, row: LiveRow, reason: string): void =>
  close(tx, row, { state: 'dead', reason, letter: 'open', ...nowhere });

/** What ended in its turn: a letter of it can be replayed in its place. */
export const letterInPlace = (tx: Transaction, row: LiveRow, reason: string): void =>
  close(tx, row, { state: 'dead', reason, letter: 'open', ...placeOf(tx, row, true) });

export const cancel = (tx: Transaction, row: LiveRow, reason: string): void =>
  close(tx, row, { state: 'canceled', reason, letter: null, ...nowhere });

export const cancelInPlace = (tx: Transaction, row: LiveRow, reason: string): void =>
  close(tx, row, { state: 'canceled', reason, letter: null, ...placeOf(tx, row, false) });
