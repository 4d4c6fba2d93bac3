import type { ApiStore } from '../api/port.ts';
import { createApplicationStore } from './applications.ts';
import { createAttemptReads } from './attempt-read.ts';
import { createBlockedKeyStore } from './blocked-keys.ts';
import { createClusterRead } from './cluster-read.ts';
import { createDeadLetterStore } from './dead-letters.ts';
import { createDeliveriesOf } from './delivery-read.ts';
import { createDestinationsOf } from './destination-read.ts';
import { createEndpointSecrets } from './endpoint-secrets.ts';
import { createEndpointStats } from './endpoint-stats.ts';
import { createThrottledSince } from './endpoint-throttled.ts';
import { createEndpointCrud } from './endpoint-crud.ts';
import { createEnvironmentStore } from './environments.ts';
import { createEventTypeStore } from './event-types.ts';
import { createIdempotencyStore } from './idempotency.ts';
import { createMessageStore } from './message-read.ts';
import { createNoticeBoard } from './notices.ts';
import { createPollerStore } from './pollers.ts';
import type { Database } from './postgres.ts';
import type { Sealer } from './sealed.ts';
import { createStatisticStore } from './statistic-read.ts';
import { createTaskStore } from './tasks.ts';
import type { TaskEvent } from './tasks.ts';

const ping = { name: 'api_ping', text: 'select 1' };

/** All that the API reads and writes, on one pool. */
export const createApiStore = (database: Database, sealer: Sealer, taskEvent: TaskEvent): ApiStore => ({
  applications: createApplicationStore(database),
  endpoints: {
    ...createEndpointCrud(database, sealer),
    ...createEndpointSecrets(database, sealer),
    throttledSinceMs: createThrottledSince(database),
  },
  eventTypes: createEventTypeStore(database),
  messages: createMessageStore(database),
  attempts: {
    ...createAttemptReads(database),
    deliveriesOf: createDeliveriesOf(database),
    destinationsOf: createDestinationsOf(database),
    stats: createEndpointStats(database),
  },
  deadLetters: createDeadLetterStore(database),
  blockedKeys: createBlockedKeyStore(database),
  statistics: createStatisticStore(database),
  pollers: createPollerStore(database),
  environments: createEnvironmentStore(database),
  tasks: createTaskStore(database, taskEvent),
  idempotency: createIdempotencyStore(database),
  notices: createNoticeBoard(database),
  cluster: createClusterRead(database),
  ping: async () => (await database.run(ping, [])).kind === 'done',
});
