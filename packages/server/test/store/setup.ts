import { randomBytes, randomUUID } from 'node:crypto';
import type { AttemptReport } from '../../src/domain/attempt.ts';
import type { Priority } from '../../src/domain/delivery.ts';
import { createIdSource } from '../../src/domain/ids.ts';
import type { HeldDelivery, Settlement } from '../../src/dispatch/port.ts';
import type { MessageInsert } from '../../src/ingest/port.ts';
import { createPostgresStore } from '../../src/store/index.ts';
import type { Database, DatabaseOptions } from '../../src/store/postgres.ts';
import { openDatabase } from '../../src/store/postgres.ts';
import { createSealer } from '../../src/store/sealed.ts';

export const ORG = 'org_1';
export const APP = 'app_1';
export const ENDPOINT = 'ep_1';

export const sealer = createSealer(['a main secret that is long enough for a test'], randomBytes);

export const open = (url: string, more: Partial<DatabaseOptions> = {}): Database =>
  openDatabase({
    url,
    applicationName: 'store test',
    size: 4,
    statementTimeoutMs: 10_000,
    lockTimeoutMs: 10_000,
    connectTimeoutMs: 5000,
    plans: 'pinned',
    ...more,
  });

export const storeOn = (database: Database) =>
  createPostgresStore({ database, sealer, leafRetentionDays: 90 });

/** One application with the given endpoints, each in partition 7. */
export const seed = (database: Database, endpoints: readonly string[] = [ENDPOINT]): Promise<void> =>
  database.script(`
    insert into application (id, org_id, name, created_at, updated_at) values ('${APP}', '${ORG}', 'a', now(), now());
    insert into endpoint (id, org_id, app_id, partition, url, keys, created_at, updated_at)
      select id, '${ORG}', '${APP}', 7, 'https://receiver.test/', '[]', now(), now()
      from unnest('{${endpoints.join(',')}}'::text[]) as id;
    insert into lane (endpoint_id, org_id, partition) select id, org_id, partition from endpoint`);

/** An id of a kind at a moment, unlike any other. */
export const idAt = (kind: 'message' | 'attempt', timeMs: number): string =>
  createIdSource(() => timeMs, randomBytes)(kind);

export const insertOf = (
  more: {
    readonly atMs?: number;
    readonly eventId?: string;
    readonly key?: string;
    readonly hash?: string;
    readonly payload?: Buffer;
    readonly eventType?: string;
    readonly endpoints?: readonly string[];
    readonly holdEpoch?: number;
    readonly priority?: Priority;
    readonly orderKey?: string;
    readonly unfoldedBy?: number;
    readonly retentionHours?: number;
    readonly deliverAtMs?: number;
    readonly expiresAtMs?: number;
  } = {},
): MessageInsert => {
  const atMs = more.atMs ?? Date.now();
  return {
    configVersion: 1,
    unfoldedBy: more.unfoldedBy ?? null,
    idempotency:
      more.key === undefined ? null : { scope: 'org_1 POST', key: more.key, requestHash: more.hash ?? 'h' },
    message: {
      id: idAt('message', atMs),
      orgId: ORG,
      applicationId: APP,
      eventType: more.eventType ?? 'a.b',
      eventId: more.eventId ?? null,
      channels: ['x y', '"'],
      tags: null,
      payload: more.payload ?? Buffer.from('{"a":1.0}'),
      contentType: 'application/json',
      payloadRetentionHours: more.retentionHours ?? 90 * 24,
      occurredAtMs: 1_700_000_000_123,
      deliverAtMs: more.deliverAtMs ?? null,
      expiresAtMs: more.expiresAtMs ?? null,
      priority: more.priority ?? 1,
      orderingKey: more.orderKey ?? null,
      createdAtMs: atMs,
    },
    deliveries: (more.endpoints ?? [ENDPOINT]).map((endpointId) => ({
      endpointId,
      partition: 7,
      holdEpoch: more.holdEpoch ?? null,
      orderKey: more.orderKey ?? null,
    })),
  };
};

export const reportOf = (status: number): AttemptReport => ({
  result: { kind: 'response', status, retryAfter: null, bodyError: null },
  startedAtMs: Date.now(),
  phases: { dnsMs: 1, connectMs: 2, tlsMs: 3, firstByteMs: 4, totalMs: 5.4 },
  requestHeaders: 'webhook-id: msg\r\n',
  responseHeaders: 'x: a\u00ff\r\n',
  responseBody: Buffer.from([0, 255, 128]),
  bodyBytes: 9,
  peer: '192.0.2.1:443',
});

export const settlementOf = (
  delivery: HeldDelivery,
  more: Partial<Settlement> = {},
  atMs = Date.now(),
): Settlement => ({
  delivery,
  attempt: {
    id: idAt('attempt', atMs),
    trigger: 'scheduled',
    report: reportOf(200),
    url: 'https://receiver.test/',
  },
  verdict: { kind: 'succeeded' },
  policy: { kind: 'list', waitsSeconds: [1] },
  attemptsUsed: 1,
  throttled: 0,
  unknowns: 0,
  ...more,
});

export const newNode = (): string => randomUUID();
