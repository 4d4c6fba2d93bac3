import type { AttemptReport, AttemptTrigger, Verdict } from '../domain/attempt.ts';
import type { LaneBlock, SettleOutcome, Settlement, SettleReply } from './port.ts';

/** Who an attempt is for. */
export type AttemptSubject = {
  readonly orgId: string;
  readonly applicationId: string;
  readonly endpointId: string;
  readonly messageId: string;
  readonly attemptId: string;
  readonly trigger: AttemptTrigger;
};

export type AttemptEnd = AttemptSubject & {
  readonly report: AttemptReport;
  /** null for a manual attempt: it has none. */
  readonly verdict: Verdict | null;
  /** Attempts of the run that counted, this one included; 0 for a manual one. */
  readonly attemptsUsed: number;
};

export type LaneChange =
  | { readonly kind: 'blocked'; readonly block: LaneBlock }
  | { readonly kind: 'failing'; readonly sinceMs: number }
  | { readonly kind: 'recovered' }
  | { readonly kind: 'disabled'; readonly reason: 'gone' | 'failing'; readonly sinceMs: number | null }
  | { readonly kind: 'closed'; readonly deliveries: number };

/** Partitions that changed hands; `lapsed`: the lease could not be renewed in time. */
export type OwnershipChange =
  | { readonly kind: 'gained' | 'lost' | 'released'; readonly partitions: readonly number[] }
  | { readonly kind: 'lapsed' | 'renewed' };

/**
 * What dispatch tells logs, metrics and fault tests. Called synchronously on the hot path: must be
 * quick and must not throw.
 */
export type DispatchObserver = {
  readonly attemptStarted: (subject: AttemptSubject) => void;
  readonly attemptEnded: (end: AttemptEnd) => void;
  readonly beforeSettle: (batch: readonly Settlement[]) => void;
  readonly afterSettle: (batch: readonly Settlement[], reply: SettleReply) => void;
  /** `lost`: somebody else ended or took the delivery; a stale result. */
  readonly settled: (settlement: Settlement, outcome: SettleOutcome) => void;
  /** The database refuses this one record; its delivery stays held until it is freed as unknown. */
  readonly rejected: (settlement: Settlement, detail: string) => void;
  readonly laneChanged: (endpointId: string, change: LaneChange) => void;
  readonly ownershipChanged: (change: OwnershipChange) => void;
  /** Rows freed that somebody had left behind as held. */
  readonly freed: (by: 'takeover' | 'sweep' | 'reconcile', rows: number) => void;
  /** An operation failed and will be tried again. */
  readonly trouble: (operation: string, error: unknown) => void;
};

const nothing = (): void => {};

/** An observer that looks at what is given and ignores the rest. */
export const createObserver = (partial: Partial<DispatchObserver>): DispatchObserver => ({
  attemptStarted: nothing,
  attemptEnded: nothing,
  beforeSettle: nothing,
  afterSettle: nothing,
  settled: nothing,
  rejected: nothing,
  laneChanged: nothing,
  ownershipChanged: nothing,
  freed: nothing,
  trouble: nothing,
  ...partial,
});
