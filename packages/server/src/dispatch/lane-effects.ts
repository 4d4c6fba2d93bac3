import type { AttemptTrigger } from '../domain/attempt.ts';
import type { RetryPolicy } from '../domain/policy.ts';
import type { LaneEffect } from '../outcome/decide.ts';
import { decideGone, GONE_STOP_MS, onAttempt } from '../outcome/endpoint-health.ts';
import type { Outcome } from '../outcome/outcome.ts';
import { elapsedSeconds } from '../outcome/retry-policy.ts';
import { concurrencyOf, onEnd, type Strain } from './controller.ts';
import { controllerOf, type Lane } from './lane.ts';
import type { DispatchObserver } from './observer.ts';
import type { LaneBlock } from './port.ts';
import type { DispatchSettings } from './settings.ts';

/** What an attempt showed about its endpoint. */
export type Evidence = {
  readonly outcome: Outcome;
  /** That was tried. */
  readonly url: string;
  readonly trigger: AttemptTrigger;
  readonly effect: LaneEffect;
  readonly policy: RetryPolicy;
  /** 1-based, as decided with. */
  readonly attempt: number;
  readonly isDead: boolean;
  /** Of a scheduled attempt: when it started (monotonic), and what was in flight with it until now. */
  readonly end: {
    readonly messageId: string;
    readonly strain: Strain;
    readonly startedAtMs: number;
    readonly inFlight: number;
  } | null;
};

/** What has to be done about an endpoint beyond its lane's own state. */
export type Consequence = { readonly disable: 'gone' | 'failing' } | null;

/** Extends a block; a shorter one changes nothing. */
const block = (lane: Lane, reason: LaneBlock['reason'], untilMs: number, observe: DispatchObserver): void => {
  if (lane.block !== null && lane.block.untilMs >= untilMs) return;
  lane.block = { reason, untilMs };
  lane.isDirty = true;
  observe.laneChanged(lane.endpointId, { kind: 'blocked', block: lane.block });
};

const blockBy = (lane: Lane, effect: LaneEffect, nowMs: number, observe: DispatchObserver): void => {
  switch (effect.kind) {
    case 'none':
      return;
    case 'pause':
      return block(lane, effect.reason, effect.untilMs, observe);
    case 'gone': {
      const decision = decideGone(lane.health.goneSinceMs, nowMs);
      // Until the endpoint is disabled in the store, the stop holds.
      const untilMs = decision.kind === 'stop_lane' ? decision.untilMs : nowMs + GONE_STOP_MS;
      return block(lane, 'gone', untilMs, observe);
    }
    default:
      return effect satisfies never;
  }
};

const isTold = ({ effect }: Evidence): boolean => effect.kind === 'pause' && effect.reason === 'retry_after';

const control = (
  lane: Lane,
  evidence: Evidence,
  nowMs: number,
  monotonicMs: number,
  ceiling: number,
  observe: DispatchObserver,
): void => {
  const { end, outcome } = evidence;
  if (end === null) {
    // Somebody has tried it by hand, and it works.
    if (outcome === 'succeeded' && lane.block?.reason === 'failing') {
      lane.block = { reason: 'failing', untilMs: nowMs };
    }
    return;
  }
  const controller = controllerOf(lane);
  const { messageId, strain, startedAtMs, inFlight } = end;
  const wasFull = inFlight >= Math.min(ceiling, concurrencyOf(controller));
  const wait = onEnd(
    controller,
    { outcome, strain, messageId, startedAtMs, wasFull, isTold: isTold(evidence) },
    monotonicMs,
    ceiling,
  );
  if (wait !== null) block(lane, wait.reason, nowMs + wait.ms, observe);
};

/** Carries the effect of an attempt over to the lane's state; what else has to happen is returned. */
export const applyEvidence = (
  lane: Lane,
  evidence: Evidence,
  nowMs: number,
  monotonicMs: number,
  settings: Pick<DispatchSettings, 'disableAfterMs' | 'laneConcurrency'>,
  observe: DispatchObserver,
): Consequence => {
  const { disableAfterMs } = settings;
  // A 429 that names no time is the controller's to answer: it knows the pace.
  const isOurs = evidence.outcome === 'throttled' && !isTold(evidence);
  if (!isOurs) blockBy(lane, evidence.effect, nowMs, observe);
  control(lane, evidence, nowMs, monotonicMs, settings.laneConcurrency, observe);
  const isFailure = evidence.outcome !== 'succeeded' && evidence.outcome !== 'unknown';
  const { health, effect } = onAttempt(
    lane.health,
    {
      outcome: evidence.outcome,
      trigger: evidence.trigger,
      // The breaker tries a receiver that only fails once a minute: that is a witness too.
      deliveryFailingForMs: isFailure
        ? Math.max(
            elapsedSeconds(evidence.policy, evidence.attempt) * 1000,
            lane.controller?.breaker.outageMs ?? 0,
          )
        : 0,
      givenUp: evidence.isDead,
    },
    nowMs,
    disableAfterMs,
  );
  if (health !== lane.health) {
    lane.health = health;
    lane.isDirty = true;
  }
  switch (effect.kind) {
    case 'none':
      break;
    case 'failing_since':
      observe.laneChanged(lane.endpointId, { kind: 'failing', sinceMs: effect.sinceMs });
      break;
    case 'recovered':
      observe.laneChanged(lane.endpointId, { kind: 'recovered' });
      break;
    case 'disable':
      return { disable: effect.reason };
    default:
      effect satisfies never;
  }
  return null;
};
