import type { Violation } from './check.ts';
import { createFaults } from './faults.ts';
import { endpointId } from './operators.ts';
import type { RunResult } from './run.ts';

const WINDOW_MS = 1_000;

/** At the receiver no window of a second has more requests than the endpoint's limit. */
export const checkRates = ({ history, plan }: RunResult): Violation[] => {
  const faults = createFaults(history);
  return plan.endpoints.flatMap(({ rateLimit }, index): Violation[] => {
    if (rateLimit === null) return [];
    const arrivals = history
      .of('request')
      .filter((request) => request.endpointId === endpointId(index) && request.arrivedMs !== null)
      .sort((a, b) => a.arrivedMs! - b.arrivedMs!);
    return arrivals.slice(rateLimit).flatMap((last, at): Violation[] => {
      const first = arrivals[at]!;
      const atMs = last.arrivedMs!;
      // Who takes an endpoint over waits for what its owner before has on its way; of one that died or was
      // cut off nobody knows what that is.
      const isSeen = first.process === last.process || first.reportedMs !== null;
      const sinceMs = atMs - (isSeen ? first.arrivedMs! : first.sentMs);
      if (sinceMs >= WINDOW_MS || faults.isJumped(atMs)) return [];
      const detail = `${endpointId(index)}: ${rateLimit + 1} requests in ${sinceMs.toFixed(1)} ms, the limit is ${rateLimit} a second`;
      return [{ rule: 'rate', atMs, detail }];
    });
  });
};
