import type { EventTypeWrite, TooMuch } from './event-type-port.ts';
import type { EventTypeRecord } from './records.ts';

export type EnvironmentStore = {
  /** Every event type of an organisation by name, archived ones too, and its settings as they were imported. */
  readonly read: (
    orgId: string,
  ) => Promise<{ readonly eventTypes: readonly EventTypeRecord[]; readonly settings: object }>;
  readonly settings: (orgId: string) => Promise<object>;
  /**
   * Adds event types or changes them to what is given, and lays settings over those that there are
   * (null leaves them); all of it or, when it rejects, nothing.
   */
  readonly write: (
    orgId: string,
    eventTypes: readonly EventTypeWrite[],
    settings: object | null,
    nowMs: number,
  ) => Promise<{ readonly kind: 'written' } | TooMuch>;
};
