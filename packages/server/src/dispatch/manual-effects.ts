import type { Clock } from '../clock.ts';
import { decide } from '../outcome/decide.ts';
import { outcomeOf } from '../outcome/outcome.ts';
import type { Evidence } from './lane-effects.ts';
import type { Lane, Tenure } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { ManualSettlement } from './port.ts';
import type { DispatchSettings } from './settings.ts';

/** What a recorded attempt by hand means for its lane: its success ends what was queued of the delivery. */
export const createManualEffects =
  (deps: {
    readonly lanes: Lanes;
    readonly clock: Clock;
    readonly settings: Pick<DispatchSettings, 'retryPolicy'>;
    readonly onEvidence: (lane: Lane, tenure: Tenure | null, evidence: Evidence, nowMs: number) => void;
  }) =>
  ({ endpointId, messageId, succeeded, attempt }: ManualSettlement): void => {
    const { lanes, clock } = deps;
    const lane = lanes.get(endpointId);
    if (!succeeded || lane === undefined) return;
    // Its attempt would only be a duplicate.
    lanes.withdraw(lane, messageId);
    const { result } = attempt.report;
    const policy = deps.settings.retryPolicy;
    const nowMs = clock.nowMs();
    const counters = { random: 0, throttledSoFar: 0, unknownsSoFar: 0 };
    const { lane: effect } = decide({ result, attempt: 1, policy, nowMs, ...counters });
    const evidence = {
      outcome: outcomeOf(result),
      url: attempt.url,
      trigger: 'manual',
      effect,
      policy,
      attempt: 1,
      isDead: false,
      end: null,
    } as const;
    deps.onEvidence(lane, lane.tenure, evidence, nowMs);
  };
