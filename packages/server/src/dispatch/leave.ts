import type { OpenDeliveries } from './open-deliveries.ts';
import type { Clock } from '../clock.ts';
import type { Balancer } from './balancer.ts';
import type { Chores } from './chores.ts';
import type { HandBack } from './hand-back.ts';
import type { Lanes } from './lanes.ts';
import type { Maintenance } from './maintenance.ts';
import type { Manual } from './manual.ts';
import type { DispatchObserver } from './observer.ts';
import type { Ownership } from './ownership.ts';
import type { Pollers } from './pollers.ts';
import type { Settler } from './settler.ts';
import type { Starter } from './starter.ts';
import type { Shares } from './shares.ts';
import type { Timers } from './timers.ts';

/** How a leave went. */
export type DrainReport = {
  /** Deliveries that were queued and are the store's again. */
  readonly handedBack: number;
  /** Attempts, by hand included, that did not end within the grace time. */
  readonly aborted: number;
  /** Attempts whose end could not be written: their next owner finds them as unknown. */
  readonly unsettled: number;
};

export type LeavingNode = {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly lanes: Lanes;
  readonly open: Pick<OpenDeliveries, 'size'>;
  readonly inFlight: () => number;
  readonly starter: Starter;
  readonly pollers: Pick<Pollers, 'stop'>;
  readonly maintenance: Maintenance;
  readonly chores: Chores;
  readonly balancer: Balancer;
  readonly handBack: HandBack;
  readonly settler: Settler;
  readonly manual: Manual;
  readonly shares: Pick<Shares, 'giveBack'>;
  readonly ownership: Ownership;
  readonly observe: DispatchObserver;
};

const LOOK_MS = 5;
/** What aborted attempts get to report, and their ends to be written. */
const ABORT_MS = 1_000;
const SETTLE_MS = 3_000;

/** Resolves true when `holds` does, false at the deadline (monotonic milliseconds). */
const waitFor = async (node: LeavingNode, deadlineMs: number, holds: () => boolean): Promise<boolean> => {
  while (!holds()) {
    const leftMs = deadlineMs - node.clock.monotonicMs();
    if (leftMs <= 0) return false;
    await new Promise<void>((resolve) => {
      node.timers.setTimeout(resolve, Math.min(LOOK_MS, Math.ceil(leftMs)));
    });
  }
  return true;
};

const nothingReserved = ({ lanes }: LeavingNode): boolean => {
  for (const lane of lanes.all()) if (lane.reserved > 0) return false;
  return true;
};

const handBackAll = async ({ lanes, handBack }: LeavingNode): Promise<number> => {
  const queued = [...lanes.all()].flatMap((lane) => lanes.empty(lane));
  handBack.give(queued);
  await handBack.whenIdle();
  return queued.length;
};

/**
 * Leaves cleanly. What is queued goes back and the partitions are given up before the attempts in
 * flight have ended, so that a successor need not wait for a slow receiver: their rows are spared
 * until their ends are written.
 */
export const drainNode = async (node: LeavingNode, graceMs: number): Promise<DrainReport> => {
  const { clock, ownership, starter, pollers, maintenance, chores, manual, settler } = node;
  const deadlineMs = clock.monotonicMs() + graceMs;
  ownership.stopTaking();
  starter.stop();
  const manualEnd = manual.stop();
  await Promise.all([pollers.stop(), maintenance.stop(), chores.stop(), node.balancer.stop()]);
  // An insert that is under way still names our token: its rows are ours to hand back.
  await waitFor(node, deadlineMs, () => nothingReserved(node));
  const handedBack = await handBackAll(node);
  const drainMs = Math.max(0, deadlineMs - clock.monotonicMs()) + ABORT_MS + SETTLE_MS;
  try {
    await ownership.release(node.open.size() > 0 ? drainMs : 0);
  } catch (error) {
    node.observe.trouble('release', error);
  }
  const isQuiet = (): boolean => node.inFlight() === 0 && manual.inFlight() === 0;
  let aborted = 0;
  if (!(await waitFor(node, deadlineMs, isQuiet))) {
    aborted = node.inFlight() + manual.inFlight();
    ownership.abortAll();
    manual.abort();
    await waitFor(node, clock.monotonicMs() + ABORT_MS, isQuiet);
  }
  if (manual.inFlight() === 0) await manualEnd;
  const settleUntilMs = Math.max(deadlineMs, clock.monotonicMs() + SETTLE_MS);
  await waitFor(node, settleUntilMs, () => settler.pending() === 0 && node.open.size() === 0);
  await node.shares.giveBack();
  return { handedBack, aborted, unsettled: node.open.size() };
};
