import { causeOf } from '../domain/attempt.ts';
import { idTimeMs } from '../domain/ids.ts';
import type { AttemptEnd, DispatchObserver } from '../dispatch/observer.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

const MS = 1000;

/** `succeeded`, or the cause of the failure as one word. */
const outcomeWord = (end: AttemptEnd): string => causeOf(end.report.result) ?? 'succeeded';

/** Outcomes as a metric's label: every status of a class is one value. */
const outcomeLabel = (end: AttemptEnd): string => {
  const { result } = end.report;
  if (result.kind !== 'response') return result.kind;
  return result.status >= 200 && result.status < 300
    ? 'succeeded'
    : `http_${Math.floor(result.status / 100)}xx`;
};

/** What dispatch does, as log lines and metrics: one line per attempt, with ids and times only. */
export const observeDispatch = (log: Logger, metrics: Metrics): DispatchObserver => ({
  attemptStarted: () => {},
  attemptEnded: (end) => {
    const { report, verdict } = end;
    metrics.attempt(outcomeLabel(end), report.phases.totalMs / MS);
    if (verdict?.kind === 'succeeded') {
      const acceptedMs = idTimeMs(end.messageId) ?? report.startedAtMs;
      metrics.delivered(Math.max(0, report.startedAtMs + report.phases.totalMs - acceptedMs) / MS);
    }
    if (verdict?.kind === 'dead') metrics.deadLetter(verdict.reason);
    if (!log.isLevelEnabled('info')) return;
    log.info(
      {
        org: end.orgId,
        app: end.applicationId,
        endpoint: end.endpointId,
        message: end.messageId,
        attempt: end.attemptId,
        trigger: end.trigger,
        outcome: outcomeWord(end),
        verdict: verdict?.kind ?? null,
        ...(verdict?.kind === 'retry' ? { next: new Date(verdict.atMs).toISOString() } : {}),
        ms: Math.round(report.phases.totalMs),
      },
      'attempt',
    );
  },
  beforeSettle: () => {},
  afterSettle: () => {},
  settled: (settlement, outcome) => {
    if (outcome !== 'lost') return;
    metrics.staleSettle();
    const { messageId, endpointId } = settlement.delivery;
    log.warn(
      { message: messageId, endpoint: endpointId, attempt: settlement.attempt.id },
      'stale result: the delivery was taken away meanwhile',
    );
  },
  rejected: (settlement, detail) => {
    const { messageId, endpointId } = settlement.delivery;
    log.error(
      { message: messageId, endpoint: endpointId, detail },
      'the database refuses the record of an attempt; its delivery will be tried again',
    );
  },
  laneChanged: (endpointId, change) => {
    if (change.kind === 'disabled') {
      metrics.endpointDisabled(change.reason);
      log.warn(
        {
          endpoint: endpointId,
          reason: change.reason,
          since: change.sinceMs === null ? null : new Date(change.sinceMs).toISOString(),
        },
        'endpoint disabled',
      );
    } else {
      log.debug({ endpoint: endpointId, ...change }, 'lane');
    }
  },
  ownershipChanged: (change) => {
    if (change.kind === 'gained' || change.kind === 'lost' || change.kind === 'released') {
      log.info({ partitions: change.partitions.length }, `partitions ${change.kind}`);
    } else {
      const line = 'the lease could not be renewed in time: nothing is sent until it is';
      log.warn(change.kind === 'lapsed' ? line : 'the lease is renewed');
    }
  },
  freed: (by, rows) => {
    metrics.freed(by, rows);
    log.info({ by, rows }, 'deliveries set free');
  },
  trouble: (operation, error) => {
    log.warn(
      { operation, error: error instanceof Error ? error.message : String(error) },
      'failed and will be tried again',
    );
  },
});
