import type { DispatchStore } from '../../src/dispatch/port.ts';
import type { EndpointConfig } from '../../src/domain/configuration.ts';
import type { IngestStore } from '../../src/ingest/port.ts';
import { createModelAcceptance } from './model-acceptance.ts';
import { createModelExpansion } from './model-expansion.ts';
import { createModelLanes } from './model-lanes.ts';
import { createModelOrder } from './model-order.ts';
import { createModelOwnership } from './model-ownership.ts';
import type { Run } from './model-run.ts';
import { createModelShares } from './model-shares.ts';
import { createModelSettlement } from './model-settlement.ts';
import { noticeKey } from './model-rows.ts';
import type { ApplicationRow, EndpointRow, NoticeRow } from './rows.ts';

const endpointConfig = (row: EndpointRow, orgId: string): EndpointConfig => ({
  eventTypes: null,
  rateLimit: null,
  fifo: false,
  ...row,
  orgId,
  channels: null,
  keys: [],
  headers: [],
  retryPolicy: null,
});

const createModelConfiguration = (
  run: Run,
): Pick<
  IngestStore & DispatchStore,
  | 'confirmNotices'
  | 'disableEndpoint'
  | 'loadApplication'
  | 'loadEndpoints'
  | 'loadEventTypePolicies'
  | 'loadEventTypePriorities'
  | 'notices'
> => ({
  disableEndpoint: ({ endpointId }) =>
    run(async (tx) => {
      const seen = tx.read<EndpointRow>('endpoint', endpointId);
      if (seen === null || seen.disabled) return;
      const application = await tx.lock<ApplicationRow>('application', seen.applicationId);
      if (application === null) return;
      tx.write('application', application.id, {
        ...application,
        configVersion: application.configVersion + 1,
      });
      const endpoint = await tx.lock<EndpointRow>('endpoint', endpointId);
      if (endpoint?.disabled === false) tx.write('endpoint', endpointId, { ...endpoint, disabled: true });
    }),
  loadApplication: (orgId, id) =>
    run((tx) => {
      const application = tx.read<ApplicationRow>('application', id);
      if (application === null || application.orgId !== orgId) return null;
      const endpoints = tx
        .scan<EndpointRow>('endpoint')
        .filter(([, row]) => row.applicationId === id)
        .map(([, row]) => endpointConfig(row, orgId));
      return { id, uid: null, orgId, configVersion: application.configVersion, endpoints };
    }),
  loadEndpoints: (endpointIds) =>
    run((tx) =>
      tx
        .scan<EndpointRow>('endpoint')
        .filter(([key]) => endpointIds.includes(key))
        .map(([, row]) =>
          endpointConfig(row, tx.read<ApplicationRow>('application', row.applicationId)!.orgId),
        ),
    ),
  loadEventTypePolicies: () => Promise.resolve(new Map()),
  loadEventTypePriorities: () => Promise.resolve(new Map()),
  notices: (node) =>
    run((tx) =>
      tx
        .scan<NoticeRow>('notice')
        .filter(([, row]) => row.node === node)
        .map(([, { id, endpointId }]) => ({ id, endpointId })),
    ),
  confirmNotices: (ids) =>
    run(async (tx) => {
      for (const id of ids) {
        const key = noticeKey(id);
        if ((await tx.lock<NoticeRow>('notice', key)) !== null) tx.write('notice', key, null);
      }
    }),
});

/**
 * The store of the two ports in memory, for one caller. What a statement sees and waits for follows
 * mvcc.ts; what it does follows the ports' texts.
 */
export const createModelStore = (run: Run): IngestStore & DispatchStore => ({
  ...createModelAcceptance(run),
  ...createModelOwnership(run),
  ...createModelSettlement(run),
  ...createModelLanes(run),
  ...createModelOrder(run),
  ...createModelShares(run),
  ...createModelExpansion(run),
  ...createModelConfiguration(run),
});
