import type { Clock, Random } from '../clock.ts';
import type { EndpointConfig } from '../domain/configuration.ts';
import type { Line, Priority } from '../domain/delivery.ts';
import type { IdSource } from '../domain/ids.ts';
import type { DrainReport } from './leave.ts';
import type { ManualReply, ManualRequest } from './manual.ts';
import type { DispatchObserver } from './observer.ts';
import type { Attempter, DispatchStore, HeldDelivery, NodeRole } from './port.ts';
import type { DispatchSettings } from './settings.ts';
import type { Timers } from './timers.ts';

/** This process among others. */
export type DispatchNode = { readonly id: string; readonly name: string; readonly role: NodeRole };

export type DispatcherDeps = {
  readonly node: DispatchNode;
  readonly store: DispatchStore;
  readonly attempt: Attempter;
  readonly clock: Clock;
  /** The system's wall clock in Unix milliseconds; unlike the monotonic one it counts sleep. */
  readonly wallMs: () => number;
  /** Puts the clock right: at monotonic moment `monotonicMs` it was `databaseMs` in the database. */
  readonly synchronise: (databaseMs: number, monotonicMs: number) => void;
  readonly random: Pick<Random, 'float'>;
  readonly ids: IdSource;
  readonly timers: Timers;
  readonly settings: DispatchSettings;
  readonly observe?: Partial<DispatchObserver>;
};

/** For metrics and tests. */
export type DispatchNumbers = {
  readonly partitions: number;
  /** The database answered a heartbeat less than a lease ago. */
  readonly isInTouch: boolean;
  readonly lanes: number;
  /** In memory: reserved, queued, in flight, unsettled. */
  readonly rows: number;
  readonly bytes: number;
  readonly inFlight: number;
  readonly unsettled: number;
  readonly manual: number;
};

export type Dispatcher = {
  /** Begins to hold partitions and to deliver. Resolves when the first heartbeat was answered, however long that takes. */
  readonly start: () => Promise<void>;
  /** The epoch by which this node holds the partition; null when it does not, or not safely. */
  readonly owns: (partition: number) => number | null;
  /**
   * Reserves room in the endpoint's lane for a delivery about to be stored as held.
   *
   * @param bytes Length of its payload.
   * @returns The epoch to store it by; null: store it as waiting. Every non-null answer is followed
   *   by exactly one {@link commit} or {@link cancel}.
   */
  readonly admit: (endpoint: EndpointConfig, bytes: number, priority: Priority) => number | null;
  /** The delivery was stored as held. False: the partition was lost meanwhile, its next owner has it. */
  readonly commit: (delivery: HeldDelivery) => boolean;
  /** It was not stored, not as held, or nobody knows. */
  readonly cancel: (endpointId: string, bytes: number) => void;
  /** Deliveries to the endpoint were stored as waiting in this line (in any, where that is not known), due at `dueMs` (Unix milliseconds). */
  readonly wake: (endpointId: string, dueMs: number, line?: Line) => void;
  /** A message was stored whose deliveries the owner of a partition has to write. */
  readonly unfold: () => void;
  /**
   * An endpoint, all of an application, or an organisation's event types changed in the store.
   * Resolves when no attempt starts with what was before.
   */
  readonly configChanged: (change: ConfigChange) => Promise<void>;
  /** One attempt beside the schedule. Never rejects. */
  readonly resend: (request: ManualRequest) => Promise<ManualReply>;
  /**
   * Leaves: starts nothing more, hands back what was queued, gives the partitions up, lets attempts
   * in flight end for up to `graceMs`, then aborts them. Repeated calls get the first one's result.
   */
  readonly drain: (graceMs: number) => Promise<DrainReport>;
  /** Ends at once, as if the process had died: no further statement, timers gone, requests aborted. */
  readonly stop: () => void;
  readonly numbers: () => DispatchNumbers;
};

export type ConfigChange =
  | { readonly endpointId: string }
  | { readonly applicationId: string }
  | { readonly orgId: string };
