import { PARTITION_COUNT } from '../domain/partition.ts';
import type { RetryPolicy } from '../domain/policy.ts';

/** Everything about dispatch that can be set. Times in milliseconds. */
export type DispatchSettings = {
  /** Length of a lease; the heartbeat is a third of it. Longer than heartbeat + statement timeout. */
  readonly leaseMs: number;
  /** Before the lease's end nothing is started any more and what is in flight is aborted. */
  readonly leaseMarginMs: number;
  /** How many partitions the database has. */
  readonly partitions: number;
  /** This node takes partitions: false where it only accepts. */
  readonly takes: boolean;
  /** How often the node looks for partitions that nobody holds, and whether it holds more than its share. */
  readonly balanceMs: number;
  /** Partitions given to others by one look. */
  readonly giveAtOnce: number;
  /** A node gets partitions from others once it has been there for so long. */
  readonly steadyMs: number;
  /** Take partitions under a running lease too: only for who has just started the database himself. */
  readonly seize: boolean;
  /** Attempts in flight: per lane, and over all with their bytes. */
  readonly laneConcurrency: number;
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
  /** What a lane keeps in memory before its attempt; payload bytes may exceed it by one poll. */
  readonly windowRows: number;
  readonly windowBytes: number;
  /** The rows of a lane that moves: of a burst that its receiver keeps up with. */
  readonly burstRows: number;
  /** What the node keeps in memory from reservation to settlement. */
  readonly nodeRows: number;
  readonly nodeBytes: number;
  /** Attempts started are kept below this many unsettled ones: the database may be away. */
  readonly maxUnsettled: number;
  readonly settleBatch: number;
  /** A second settle statement is sent beside one in flight once this many wait. */
  readonly settleBesideAt: number;
  readonly pollLanes: number;
  readonly pollRows: number;
  readonly pollBytes: number;
  /** Longest wait for hints that were lowered: by this node, which knows, or by the API. */
  readonly dueScanMs: number;
  /** The same while other nodes accept too: what they accept for this one is found by this scan. */
  readonly sharedScanMs: number;
  readonly dueScanLimit: number;
  readonly repairMs: number;
  readonly repairLimit: number;
  readonly sweepMs: number;
  /** How often deliveries that have expired while they waited are canceled. */
  readonly expireMs: number;
  readonly reconcileMs: number;
  /** Longer than any statement can take. */
  readonly reconcileAgeMs: number;
  /** Rows freed by one takeover or sweep statement. */
  readonly freeRows: number;
  /** Deliveries written by one chunk of a large fan-out. */
  readonly unfoldRows: number;
  /** Endpoint configuration in use is loaded again after this long. */
  readonly endpointRefreshMs: number;
  /** Lanes known at once before idle ones are forgotten. */
  readonly maxLanes: number;
  /** A queue whose lane is blocked for longer than this is handed back to the store. */
  readonly handBackAfterMs: number;
  /** Unbroken failure that disables an endpoint; null: never. */
  readonly disableAfterMs: number | null;
  /** Manual attempts in flight. */
  readonly maxManual: number;
  /** Longest attempt plus slack: how long rows in flight are spared after a leave. */
  readonly attemptMs: number;
  /** The deployment's policy, where neither endpoint nor event type has one. */
  readonly retryPolicy: RetryPolicy;
};

const MIB = 1024 * 1024;

/** Defaults of everything but the deployment's retry policy. */
export const defaultDispatchSettings: Omit<DispatchSettings, 'retryPolicy'> = {
  leaseMs: 10_000,
  leaseMarginMs: 1_000,
  partitions: PARTITION_COUNT,
  takes: true,
  balanceMs: 300,
  giveAtOnce: 4,
  steadyMs: 5_000,
  seize: false,
  laneConcurrency: 50,
  maxInFlight: 512,
  maxInFlightBytes: 64 * MIB,
  windowRows: 1_000,
  windowBytes: 8 * MIB,
  burstRows: 8_000,
  nodeRows: 64_000,
  nodeBytes: 192 * MIB,
  maxUnsettled: 5_000,
  settleBatch: 500,
  settleBesideAt: 100,
  pollLanes: 50,
  pollRows: 1_000,
  pollBytes: 8 * MIB,
  dueScanMs: 1_000,
  sharedScanMs: 100,
  dueScanLimit: 1_000,
  repairMs: 5_000,
  repairLimit: 1_000,
  sweepMs: 5_000,
  expireMs: 1_000,
  reconcileMs: 10_000,
  reconcileAgeMs: 30_000,
  freeRows: 500,
  unfoldRows: 500,
  endpointRefreshMs: 5_000,
  maxLanes: 100_000,
  handBackAfterMs: 2_000,
  disableAfterMs: 5 * 24 * 3_600_000,
  maxManual: 64,
  attemptMs: 20_000,
};
