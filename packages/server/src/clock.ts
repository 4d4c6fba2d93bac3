import { randomBytes, randomFillSync, randomUUID } from 'node:crypto';

/** The only reader of time. Everything else is handed one. */
export type Clock = {
  /** Unix time in milliseconds, with fractions, synchronised to the database's once known. */
  readonly nowMs: () => number;
  /** Milliseconds that never jump; only differences mean anything. */
  readonly monotonicMs: () => number;
};

/** The only source of chance. */
export type Random = {
  readonly bytes: (count: number) => Buffer;
  /** Uniform in [0, 1). */
  readonly float: () => number;
  readonly uuid: () => string;
};

export type SyncedClock = Clock & {
  /** The system's own Unix time: jumps when somebody sets it, and counts the machine's sleep. */
  readonly wallMs: () => number;
  /** Takes over the database's time: at monotonic moment `monotonicMs` it was `databaseMs` there. */
  readonly synchronise: (databaseMs: number, monotonicMs: number) => void;
};

/** A clock that runs on the monotonic one; before the first {@link SyncedClock.synchronise} it follows the wall. */
export const createClock = (): SyncedClock => {
  const monotonicMs = (): number => performance.now();
  let offsetMs = Date.now() - monotonicMs();
  return {
    nowMs: () => monotonicMs() + offsetMs,
    monotonicMs,
    wallMs: Date.now,
    synchronise: (databaseMs, atMonotonicMs) => {
      offsetMs = databaseMs - atMonotonicMs;
    },
  };
};

const POOL_BYTES = 4096;

/** Chance from the operating system, read in blocks because single reads cost a system call each. */
export const createRandom = (): Random => {
  const pool = Buffer.alloc(POOL_BYTES);
  let used = POOL_BYTES;
  return {
    bytes: (count) => {
      if (count > POOL_BYTES) return randomBytes(count);
      if (used + count > POOL_BYTES) {
        randomFillSync(pool);
        used = 0;
      }
      used += count;
      return Buffer.from(pool.subarray(used - count, used));
    },
    float: Math.random,
    uuid: randomUUID,
  };
};
