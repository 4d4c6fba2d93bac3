import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';

const SMALL_MACHINE = 2;
/** Node 22 ends with a failed check of V8 at its first full collection once the flag is set at run time. */
const FIRST_TO_BEAR_IT = 24;

/** Whether V8's helper threads should be switched off. @param node A version such as `24.1.0`. */
export const wantsOneThread = (processors: number, node: string): boolean =>
  processors <= SMALL_MACHINE && Number.parseInt(node, 10) >= FIRST_TO_BEAR_IT;

/**
 * On one or two processors V8's helper threads take their time from the main thread and from the
 * database beside it: measured 97 µs of CPU a message with them, 90 without (bench/README.md). On
 * larger machines they run where nothing else does, and stay.
 */
export const fitCollector = (): void => {
  if (wantsOneThread(availableParallelism(), process.versions.node))
    setFlagsFromString('--single-threaded-gc');
};
