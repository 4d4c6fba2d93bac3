import type { Lane } from './lane.ts';
import { createLaneOrder, want, wantAll, type LaneOrder } from './order.ts';
import type { HeldDelivery, LaneState } from './port.ts';

/** What a lane hears of its deliveries with an order. */

export const orderOf = (lane: Lane): LaneOrder => (lane.order ??= createLaneOrder());

/** What the lane's row says of them: where its hint lies ahead, nothing of them is due before. */
export const learnOrder = (
  lane: Lane,
  { hasOrdered, version, nextDueMs }: Omit<LaneState, 'endpointId'>,
  nowMs: number,
): void => {
  if (!hasOrdered && lane.order === null) return;
  const order = orderOf(lane);
  if (order.scannedVersion === version) return;
  const dueMs = nextDueMs ?? Infinity;
  if (hasOrdered && dueMs <= nowMs) return wantAll(order);
  if (dueMs < order.dueMs) order.dueMs = dueMs;
  if (order.cursor === null) order.scannedVersion = version;
};

/** Something is due, of a key or (undefined) of who knows which, if of any. */
export const wakeOrder = (lane: Lane, dueMs: number, orderKey: string | undefined, nowMs: number): void => {
  const isFifo = lane.endpoint?.fifo === true;
  if (orderKey === undefined && lane.order === null && !isFifo) return;
  const order = orderOf(lane);
  if (dueMs > nowMs) order.dueMs = Math.min(order.dueMs, dueMs);
  else if (orderKey === undefined) wantAll(order);
  else want(order, orderKey);
};

/** A delivery is no longer in memory. */
export const leaveOrder = ({ order }: Lane, delivery: HeldDelivery): void => {
  const key = delivery.orderKey;
  if (key !== null && order?.busy.get(key) === delivery) order.busy.delete(key);
};
