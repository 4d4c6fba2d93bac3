import type { DispatchStore } from '../dispatch/port.ts';
import type { IngestStore } from '../ingest/port.ts';
import { createShareOperations, shareStatements } from './application-shares.ts';
import { cancelExpiredStatements, createCancelExpired } from './cancel-expired.ts';
import { closeLaneStatements, createCloseLane } from './close-lane.ts';
import type { OnUnreadable } from './endpoint-row.ts';
import { createRecall } from './conflicts.ts';
import { createUnfold, expansionStatements } from './expansions.ts';
import { createLoadEndpointOperations, loadEndpointStatements } from './load-endpoints.ts';
import { createFreeHeldOperations, freeHeldStatements } from './free-held.ts';
import { createOwnershipOperations, ownershipStatements } from './heartbeat.ts';
import { insertFurther } from './insert-further.ts';
import { createInsertMessages } from './insert-messages.ts';
import { insertStatements } from './insert-statement.ts';
import { createLaneOperations, laneStatements } from './lanes.ts';
import { createLoadApplication, loadApplicationStatements } from './load-application.ts';
import { createNoticeOperations, noticeStatements } from './notices.ts';
import { createPoll, pollStatements } from './poll.ts';
import { createPollOrdered, pollOrderedStatements } from './poll-ordered.ts';
import type { Database, Statement } from './postgres.ts';
import type { Sealer } from './sealed.ts';
import { createSettle, settleStatements } from './settle.ts';
import { createSettleManual, settleManualStatements } from './settle-manual.ts';

/** Every statement of the hot and ownership operations, by key. */
export const statements = {
  ...insertStatements,
  insertFurther,
  ...loadApplicationStatements,
  ...loadEndpointStatements,
  ...ownershipStatements,
  ...freeHeldStatements,
  ...settleStatements,
  ...settleManualStatements,
  ...pollStatements,
  ...pollOrderedStatements,
  ...laneStatements,
  ...closeLaneStatements,
  ...cancelExpiredStatements,
  ...noticeStatements,
  ...expansionStatements,
  ...shareStatements,
} as const satisfies Record<string, Statement>;

export type Statements = { readonly [Key in keyof typeof statements]: Statement };

export type PostgresStoreOptions = {
  /** Opened with pinned plans (see DatabaseOptions.plans): the statements rely on them. */
  readonly database: Database;
  readonly sealer: Sealer;
  /** Days that leaves are kept; a payload with a shorter retention carries its own end. */
  readonly leafRetentionDays: number;
  /** Hears of endpoints whose secrets do not open, each time that one is read. */
  readonly onUnreadable?: OnUnreadable;
  /** Statements to use instead of the built-in ones. */
  readonly statements?: Partial<Statements>;
};

/** What ingest and dispatch need of the store, on PostgreSQL 15 to 18. */
export const createPostgresStore = (options: PostgresStoreOptions): IngestStore & DispatchStore => {
  const { database, sealer, leafRetentionDays, onUnreadable = () => {} } = options;
  const sql: Statements = { ...statements, ...options.statements };
  return {
    loadApplication: createLoadApplication(database, sql, sealer, onUnreadable),
    insertMessages: createInsertMessages(database, sql, { leafRetentionDays }),
    recall: createRecall(database, sql),
    ...createOwnershipOperations(database, sql),
    ...createFreeHeldOperations(database, sql),
    settle: createSettle(database, sql),
    settleManual: createSettleManual(database, sql),
    poll: createPoll(database, sql),
    pollOrdered: createPollOrdered(database, sql),
    ...createLaneOperations(database, sql),
    closeLane: createCloseLane(database, sql),
    cancelExpired: createCancelExpired(database, sql),
    ...createNoticeOperations(database, sql),
    ...createShareOperations(database, sql),
    unfold: createUnfold(database, sql),
    ...createLoadEndpointOperations(database, sql, sealer, onUnreadable),
  };
};
