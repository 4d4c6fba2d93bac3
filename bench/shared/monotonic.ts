/**
 * Milliseconds on the machine's monotonic clock, comparable between processes
 * (unlike `performance.now()` alone, which counts from each process's start)
 * and much cheaper than `process.hrtime.bigint()` on each message.
 */
export function monotonicMs(): number {
  return offsetMs + performance.now();
}

const offsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
