import type { Outcome } from '../outcome/outcome.ts';
import { createBreaker, isOpening, type Breaker } from './breaker.ts';
import { createKnee, onKneeEnd, restartKnee, type Knee } from './knee.ts';
import { createPace, onPaceEnd, onPaceStart, type Pace } from './pace.ts';

/**
 * How much a receiver gets, found out from its answers alone: attempts in flight, starts a second,
 * and when nothing at all. Pure: times are monotonic milliseconds and handed in.
 */
export type Controller = { readonly knee: Knee; readonly pace: Pace; readonly breaker: Breaker };

/**
 * What an end says of how much the receiver can take.
 *
 * none      It can take more, or nothing is known.
 * broken    An answer such as 500: it may be too much, or this message is what it cannot take.
 * too_much  502 to 504, or no answer before the deadline.
 */
export type Strain = 'none' | 'broken' | 'too_much';

/** The end of one scheduled attempt. */
export type ControllerEnd = {
  readonly outcome: Outcome;
  readonly strain: Strain;
  readonly messageId: string;
  /** When it started. */
  readonly startedAtMs: number;
  /** As many attempts as allowed were in flight, this one included. */
  readonly wasFull: boolean;
  /** The receiver said by Retry-After how long to wait: that is not for the controller to find out. */
  readonly isTold: boolean;
};

/** What follows for the lane: nothing, or no start for so long. */
export type ControllerWait = { readonly reason: 'failing' | 'throttled'; readonly ms: number } | null;

export const createController = (): Controller => ({
  knee: createKnee(),
  pace: createPace(),
  breaker: createBreaker(),
});

/** Attempts that may be in flight now. */
export const concurrencyOf = ({ knee }: Controller): number => Math.floor(knee.limit);

/** One at a time first, then twice as many with each round trip: after a stop nobody knows what it takes. */
export const restart = ({ knee }: Controller): void => restartKnee(knee);

/** What another owner found failing is tried once before it gets more. */
export const distrust = (controller: Controller): void => {
  controller.breaker.isProbing = true;
  restartKnee(controller.knee);
};

export const onStart = ({ pace }: Controller, nowMs: number): void => onPaceStart(pace, nowMs);

/** @param ceiling Most attempts in flight that the settings allow. */
export const onEnd = (
  controller: Controller,
  end: ControllerEnd,
  nowMs: number,
  ceiling: number,
): ControllerWait => {
  const { knee, pace, breaker } = controller;
  const openMs = isOpening(breaker, end, nowMs);
  if (openMs !== null) {
    restartKnee(knee);
    return { reason: 'failing', ms: openMs };
  }
  onKneeEnd(knee, end, nowMs, ceiling);
  const waitMs = onPaceEnd(pace, end, nowMs);
  return waitMs === 0 || end.isTold ? null : { reason: 'throttled', ms: waitMs };
};
