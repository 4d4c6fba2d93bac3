import type { ControllerEnd } from './controller.ts';

/**
 * Attempts in flight. While more of them bring more answers a second, there are more; where they only
 * wait longer, the receiver's knee is found and kept: each level is compared with the one before by
 * what Little's law says of it (level / latency), and the knee is asked about again every few seconds.
 */
export type Knee = {
  limit: number;
  phase: 'ramp' | 'up' | 'down' | 'hold';
  /** The level that the present one is compared with, and answers a millisecond there. */
  baseLimit: number;
  baseRate: number | null;
  /** Answers of attempts that started at this level while it was full. */
  levelAtMs: number;
  samples: number;
  latencyMs: number;
  holdUntilMs: number;
  cutAtMs: number;
  /** Moving share of answers that say it is too much. */
  trouble: number;
};

/** Where a lane begins of which nothing bad is known. */
const INITIAL = 10;
/** More than this part of what was added has to come back as answers. */
const WORTH = 0.25;
/** A lower level is as good if it brings this share of the answers. */
const AS_GOOD = 0.97;
const STEP = 1.25;
const HOLD_MS = 10_000;
const LEVEL_MS = 500;
const MIN_SAMPLES = 12;
const CUT = 0.7;
const TROUBLE = 0.25;
const MEMORY = 0.9;

export const createKnee = (): Knee => ({
  limit: INITIAL,
  phase: 'ramp',
  baseLimit: INITIAL,
  baseRate: null,
  levelAtMs: -Infinity,
  samples: 0,
  latencyMs: 0,
  holdUntilMs: -Infinity,
  cutAtMs: -Infinity,
  trouble: 0,
});

const goTo = (knee: Knee, limit: number, nowMs: number): void => {
  // What starts in the first round trip still queues behind what the level before had in flight.
  knee.levelAtMs = nowMs + (knee.samples === 0 ? 0 : knee.latencyMs / knee.samples);
  knee.limit = Math.max(1, limit);
  knee.samples = 0;
  knee.latencyMs = 0;
};

export const restartKnee = (knee: Knee): void => {
  knee.phase = 'ramp';
  knee.baseRate = null;
  knee.trouble = 0;
  goTo(knee, 1, knee.levelAtMs);
};

const hold = (knee: Knee, limit: number, nowMs: number): void => {
  knee.phase = 'hold';
  knee.holdUntilMs = nowMs + HOLD_MS;
  knee.baseRate = null;
  goTo(knee, limit, nowMs);
};

const higher = (limit: number, ceiling: number): number =>
  Math.min(ceiling, Math.max(Math.floor(limit) + 1, Math.floor(limit * STEP)));
const lower = (limit: number): number => Math.max(1, Math.floor(limit / STEP));

const look = (
  knee: Knee,
  phase: 'ramp' | 'up' | 'down',
  limit: number,
  rate: number,
  nowMs: number,
): void => {
  knee.phase = phase;
  knee.baseLimit = knee.limit;
  knee.baseRate = phase === 'down' && knee.baseRate !== null ? Math.max(knee.baseRate, rate) : rate;
  goTo(knee, limit, nowMs);
};

/** The level has been measured: `rate` answers a millisecond. */
const judge = (knee: Knee, rate: number, nowMs: number, ceiling: number): void => {
  const { limit, baseLimit, baseRate } = knee;
  const isWorth = baseRate === null || rate >= baseRate * (1 + WORTH * (limit / baseLimit - 1));
  switch (knee.phase) {
    case 'ramp':
      if (!isWorth) {
        const before = baseRate ?? rate;
        knee.limit = baseLimit;
        // Not a bit more: the knee lies below.
        if (rate * AS_GOOD <= before) return look(knee, 'down', lower(baseLimit), before, nowMs);
        return look(knee, 'up', higher(baseLimit, ceiling), before, nowMs);
      }
      if (limit >= ceiling) return hold(knee, ceiling, nowMs);
      return look(knee, 'ramp', Math.min(ceiling, 2 * limit), rate, nowMs);
    case 'up':
      if (!isWorth) {
        // Between the two, and the lower one is safe; further down may be as good.
        knee.limit = baseLimit;
        look(knee, 'down', lower(baseLimit), baseRate ?? rate, nowMs);
        return;
      }
      if (limit >= ceiling) return hold(knee, ceiling, nowMs);
      return look(knee, 'up', higher(limit, ceiling), rate, nowMs);
    case 'down':
      if (baseRate !== null && rate < baseRate * AS_GOOD) return hold(knee, baseLimit, nowMs);
      if (limit <= 1) return hold(knee, 1, nowMs);
      return look(knee, 'down', lower(limit), rate, nowMs);
    case 'hold':
      if (nowMs < knee.holdUntilMs) {
        goTo(knee, limit, nowMs);
        return;
      }
      if (limit < ceiling) return look(knee, 'up', higher(limit, ceiling), rate, nowMs);
      return look(knee, 'down', lower(limit), rate, nowMs);
    default:
      return knee.phase satisfies never;
  }
};

/** Takes the end of an attempt in. @param ceiling Most that the settings allow. */
export const onKneeEnd = (
  knee: Knee,
  { outcome, strain, startedAtMs, wasFull }: ControllerEnd,
  nowMs: number,
  ceiling: number,
): void => {
  // Other failures say nothing of how much it can take; the breaker counts them.
  const isBad = strain !== 'none';
  if (outcome !== 'unknown') knee.trouble = knee.trouble * MEMORY + (isBad ? 1 - MEMORY : 0);
  if (isBad) {
    if (knee.trouble < TROUBLE || startedAtMs < knee.cutAtMs) return;
    knee.cutAtMs = nowMs;
    const limit = Math.min(knee.limit, ceiling);
    // Where it is the messages that it cannot take, fewer at a time would not help and hold up the others.
    const least = strain === 'broken' ? Math.min(limit, INITIAL) : 1;
    hold(knee, Math.max(least, Math.floor(limit * CUT)), nowMs);
    return;
  }
  if (outcome !== 'succeeded' || !wasFull) return;
  // One more for each answer: twice as many with each round trip.
  if (knee.phase === 'ramp' && knee.limit < Math.min(INITIAL, ceiling)) {
    goTo(knee, knee.limit + 1, nowMs);
    return;
  }
  if (startedAtMs < knee.levelAtMs) return;
  knee.samples++;
  knee.latencyMs += nowMs - startedAtMs;
  const enough = Math.max(MIN_SAMPLES, knee.limit);
  if (knee.samples < enough || nowMs - knee.levelAtMs < LEVEL_MS) return;
  judge(knee, (knee.limit * knee.samples) / Math.max(knee.latencyMs, 1), nowMs, ceiling);
};
