import type { Clock } from '../clock.ts';
import { onStart } from './controller.ts';
import type { Grant, Turn } from './grant.ts';
import { controllerOf, nextStep, rateSlots, type Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { OpenDeliveries } from './open-deliveries.ts';
import { asksAtMs } from './order.ts';
import type { HeldDelivery } from './port.ts';
import type { Runner } from './runner.ts';
import type { DispatchSettings } from './settings.ts';
import type { Shares } from './shares.ts';
import { noteStart } from './standing.ts';
import type { Timers } from './timers.ts';

/** Starts attempts, lane after lane, as far as lanes and node allow. */
export type Starter = {
  /** The lane may have something to start. */
  readonly lineUp: (lane: Lane) => void;
  /** Something that held starts back may be over. */
  readonly kick: () => void;
  readonly stop: () => void;
};

export const createStarter = (deps: {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly settings: DispatchSettings;
  readonly grant: Grant;
  readonly lanes: () => Lanes;
  readonly shares: Pick<Shares, 'mayStart' | 'take' | 'forfeit'>;
  readonly open: Pick<OpenDeliveries, 'add' | 'size'>;
  readonly isSafe: () => boolean;
  readonly run: Runner['run'];
  readonly refresh: (lane: Lane) => void;
  readonly poll: (lane: Lane) => void;
  readonly pollOrdered: (lane: Lane) => void;
  readonly handBack: (lane: Lane) => void;
  /** It was taken out of its window and must not be sent any more. */
  readonly expired: (delivery: HeldDelivery) => void;
}): Starter => {
  const { clock, timers, settings, grant, open, shares } = deps;
  let isScheduled = false;
  let isStopped = false;

  /** Starts one attempt of the lane whose turn it is. */
  const startOne = ({ lane, from, standing }: Turn, nowMs: number, monotonicMs: number): void => {
    const step = nextStep(lane, nowMs, monotonicMs, settings.laneConcurrency);
    if (step.kind !== 'start') {
      grant.pass();
      shares.forfeit(lane);
      // Two gates open by themselves or by asking; the others by an event that lines the lane up.
      const opensItself = step.kind === 'wait' || step.by === 'unknown_endpoint';
      // By the same times: a lane that opens while this turn lasts would line up to be refused, for ever.
      if (opensItself) deps.lanes().review(lane, nowMs, monotonicMs);
      // Accepted before the change and committed after it: the store is where it can wait.
      else if ((step.by === 'disabled' || step.by === 'paused') && lane.window.size() > 0)
        deps.handBack(lane);
      return;
    }
    const { tenure, endpoint } = lane;
    const together = endpoint?.applicationRateLimit;
    if (together !== undefined && !shares.mayStart(lane, together, monotonicMs)) return grant.pass();
    const head = deps.lanes().unqueue(lane, from);
    if (tenure === null || endpoint === null || head === undefined) {
      throw new Error(`lane ${lane.endpointId} may start but has nothing to start`);
    }
    if (head.expiresAtMs !== null && head.expiresAtMs <= nowMs) {
      grant.pass();
      grant.lineUp(lane, monotonicMs);
      deps.expired(head);
      return;
    }
    lane.inFlight++;
    noteStart(lane.record);
    grant.take(head.payload.byteLength);
    grant.lineUp(lane, monotonicMs);
    open.add(head);
    const slots = endpoint.rateLimit === null ? null : rateSlots(lane);
    const share = together === undefined ? null : shares.take(lane, together, monotonicMs);
    onStart(controllerOf(lane), monotonicMs);
    if (slots === null) lane.unlimitedAtMs = monotonicMs;
    else slots.take();
    if (monotonicMs - lane.endpointAtMs > settings.endpointRefreshMs) deps.refresh(lane);
    if (lane.nextDueMs <= nowMs) deps.poll(lane);
    if (lane.order !== null && asksAtMs(lane.order) <= nowMs) deps.pollOrdered(lane);
    deps.run(lane, { tenure, endpoint, delivery: head, slots, share, standing });
  };

  const pump = (): void => {
    isScheduled = false;
    if (isStopped) return;
    const nowMs = clock.nowMs();
    const monotonicMs = clock.monotonicMs();
    while (open.size() < settings.maxUnsettled) {
      const turn = grant.peek(monotonicMs);
      // Asked for each start: a process may be stopped for longer than its lease between two of them.
      if (turn === undefined || !deps.isSafe()) return;
      startOne(turn, nowMs, monotonicMs);
    }
  };

  // After the turn: an acceptance is answered before its attempts begin, and one pump serves many.
  const kick = (): void => {
    if (isScheduled || isStopped) return;
    isScheduled = true;
    timers.setImmediate(pump);
  };

  return {
    kick,
    lineUp: (lane) => {
      grant.lineUp(lane, clock.monotonicMs());
      kick();
    },
    stop: () => {
      isStopped = true;
    },
  };
};
