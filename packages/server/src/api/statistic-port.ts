import type { AppPath } from './port.ts';

/** Attempts of one event type that began in one hour (or five minutes), and deliveries canceled in it. */
export type AttemptBucket = {
  readonly atMs: number;
  readonly eventType: string;
  readonly ok: number;
  readonly failed: number;
  readonly canceled: number;
};

export type StatisticStore = {
  /**
   * Attempts of an application, by the step in which they began; steps without any are left out. The
   * range must begin and end on the step. Hours are there for good, five minutes for three days.
   */
  readonly attempts: (
    path: AppPath,
    range: {
      readonly sinceMs: number;
      readonly untilMs: number;
      readonly step: 'hour' | 'five_minutes';
      readonly eventTypes: readonly string[] | null;
    },
  ) => Promise<readonly AttemptBucket[]>;
  /** Endpoints of an organisation; on wish without those at Svix's playground. */
  readonly endpoints: (
    orgId: string,
    withoutPlay: boolean,
  ) => Promise<{ readonly active: number; readonly disabled: number }>;
  /** Applications of an organisation that have an endpoint (that is enabled). */
  readonly activeApplications: (
    orgId: string,
    filter: { readonly withoutPlay: boolean; readonly withoutDisabled: boolean },
  ) => Promise<number>;
};
