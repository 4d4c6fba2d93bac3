import type { Clock, Random } from '../clock.ts';
import type { AttemptReport, AttemptResult } from '../domain/attempt.ts';
import type { EndpointConfig } from '../domain/configuration.ts';
import type { IdSource } from '../domain/ids.ts';
import type { RetryPolicy } from '../domain/policy.ts';
import { countersAfter } from '../outcome/counters.ts';
import { decide } from '../outcome/decide.ts';
import { outcomeOf, type Outcome } from '../outcome/outcome.ts';
import type { Strain } from './controller.ts';
import type { Evidence } from './lane-effects.ts';
import type { Lane, Tenure } from './lane.ts';
import type { AttemptSubject, DispatchObserver } from './observer.ts';
import type { RateSlots } from './rate.ts';
import type { Slot } from './shares.ts';
import type { Attempter, AttemptRequest, HeldDelivery, Settlement } from './port.ts';
import type { Standing } from './standing.ts';

/** An attempt about to be made, and what was taken for it. */
export type Start = {
  readonly tenure: Tenure;
  readonly endpoint: EndpointConfig;
  readonly delivery: HeldDelivery;
  /** Of which one was taken for this attempt. */
  readonly slots: RateSlots | null;
  /** Of the application's rate. */
  readonly share: Slot | null;
  /** By which the node granted it. */
  readonly standing: Standing;
};

/** Makes attempts and turns what they came to into settlements. */
export type Runner = {
  /** Starts one attempt; the lane's and node's slots have been taken. */
  readonly run: (lane: Lane, start: Start) => void;
};

export type RunnerDeps = {
  readonly attempt: Attempter;
  readonly clock: Clock;
  readonly random: Pick<Random, 'float'>;
  readonly ids: IdSource;
  readonly defaultPolicy: RetryPolicy;
  readonly policyOf: (orgId: string, eventType: string) => Promise<RetryPolicy | null>;
  readonly observe: DispatchObserver;
  /** The attempt is over: its slots are free once this turn ends. */
  readonly onDone: (lane: Lane, start: Start, outcome: Outcome) => void;
  readonly onEvidence: (lane: Lane, tenure: Tenure, evidence: Evidence, nowMs: number) => void;
  readonly settle: (settlement: Settlement) => void;
};

const lostReport = (bodyBytes: number, startedAtMs: number, totalMs: number): AttemptReport => ({
  result: { kind: 'unknown' },
  startedAtMs,
  phases: { dnsMs: null, connectMs: null, tlsMs: null, firstByteMs: null, totalMs },
  requestHeaders: '',
  responseHeaders: '',
  responseBody: new Uint8Array(0),
  bodyBytes,
  peer: null,
});

/**
 * One try that always comes to a report. An aborted one that had no answer yet is `unknown`: the
 * request may have arrived. So is one whose attempter broke its promise not to reject.
 */
export const attemptOnce = (
  deps: Pick<RunnerDeps, 'attempt' | 'clock' | 'observe'>,
  request: AttemptRequest & { readonly signal: AbortSignal },
): Promise<AttemptReport> => {
  const { attempt, clock, observe } = deps;
  const startedAtMs = clock.nowMs();
  return attempt.deliver(request).then(
    (report) => {
      if (!request.signal.aborted || report.result.kind === 'response') return report;
      const result: AttemptResult = { kind: 'unknown' };
      return { ...report, result };
    },
    (error: unknown) => {
      observe.trouble('attempt', error);
      const totalMs = Math.max(0, clock.nowMs() - startedAtMs);
      return lostReport(request.payload.byteLength, startedAtMs, totalMs);
    },
  );
};

const strainOf = (result: AttemptResult, outcome: Outcome): Strain => {
  if (result.kind === 'timeout' || outcome === 'overloaded') return 'too_much';
  return result.kind === 'response' && result.status >= 500 ? 'broken' : 'none';
};

export const createRunner = (deps: RunnerDeps): Runner => {
  const { clock, random, observe } = deps;

  const policyFor = async ({ orgId, eventType }: HeldDelivery): Promise<RetryPolicy> =>
    (await deps.policyOf(orgId, eventType)) ?? deps.defaultPolicy;

  const conclude = (
    lane: Lane,
    tenure: Tenure,
    delivery: HeldDelivery,
    policy: RetryPolicy,
    subject: AttemptSubject,
    url: string,
    report: AttemptReport,
    outcome: Outcome,
    end: NonNullable<Evidence['end']>,
  ): void => {
    const nowMs = clock.nowMs();
    const attempt = delivery.attemptsUsed + 1;
    const { verdict, lane: effect } = decide({
      result: report.result,
      attempt,
      policy,
      nowMs,
      random: random.float(),
      throttledSoFar: delivery.throttled,
      unknownsSoFar: delivery.unknowns,
    });
    const counters = countersAfter(delivery, report.result, verdict);
    observe.attemptEnded({ ...subject, report, verdict, attemptsUsed: counters.attemptsUsed });
    deps.settle({
      delivery,
      attempt: { id: subject.attemptId, trigger: 'scheduled', report, url },
      verdict,
      policy,
      attemptsUsed: counters.attemptsUsed,
      throttled: counters.throttled,
      unknowns: counters.unknowns,
    });
    const isDead = verdict.kind === 'dead';
    const evidence: Evidence = { outcome, url, trigger: 'scheduled', effect, policy, attempt, isDead, end };
    deps.onEvidence(lane, tenure, evidence, nowMs);
  };

  const run: Runner['run'] = (lane, start) => {
    const { tenure, endpoint, delivery, slots, share } = start;
    const { orgId, applicationId, endpointId, messageId } = delivery;
    const attemptId = deps.ids('attempt');
    const subject: AttemptSubject = {
      orgId,
      applicationId,
      endpointId,
      messageId,
      attemptId,
      trigger: 'scheduled',
    };
    const startedAtMs = clock.monotonicMs();
    observe.attemptStarted(subject);
    const finish = (report: AttemptReport, policy: RetryPolicy): void => {
      const outcome = outcomeOf(report.result);
      const strain = strainOf(report.result, outcome);
      const end = { messageId, strain, startedAtMs, inFlight: lane.inFlight };
      // Not before: a slot that is free while the lane's pause is not known would let another one out.
      deps.onDone(lane, start, outcome);
      conclude(lane, tenure, delivery, policy, subject, endpoint.url, report, outcome, end);
    };
    void attemptOnce(deps, {
      endpoint,
      messageId,
      payload: delivery.payload,
      contentType: delivery.contentType,
      signal: tenure.abort.signal,
      isWanted: tenure.maySend,
    }).then((report) => {
      const endedMs = clock.monotonicMs();
      slots?.release(endedMs);
      share?.release(endedMs);
      // Only a failure needs the schedule; it is fixed for the run by the first one.
      const known = delivery.policy ?? endpoint.retryPolicy;
      if (known !== null) finish(report, known);
      else if (outcomeOf(report.result) === 'succeeded') finish(report, deps.defaultPolicy);
      else void policyFor(delivery).then((policy) => finish(report, policy));
    });
  };

  return { run };
};
