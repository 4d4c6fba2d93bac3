// Generated from the OpenAPI document by packages/server/test/client/schema.test.ts: run it with -u.

/** Method and path of each operation. */
export const routes = {
  'v1.egress-ips.get': ['GET', '/api/v1/egress-ips'],
  'v1.admin.server': ['GET', '/api/v1/admin/server'],
  'v1.admin.cluster': ['GET', '/api/v1/admin/cluster'],
  'v1.endpoint.pause': ['POST', '/api/v1/app/{app_id}/endpoint/{endpoint_id}/pause'],
  'v1.endpoint.resume': ['POST', '/api/v1/app/{app_id}/endpoint/{endpoint_id}/resume'],
  'v1.endpoint.list-blocked-keys': ['GET', '/api/v1/app/{app_id}/endpoint/{endpoint_id}/blocked-key'],
  'v1.endpoint.release-blocked-keys': [
    'POST',
    '/api/v1/app/{app_id}/endpoint/{endpoint_id}/blocked-key/release',
  ],
  'v1.background-task.cancel': ['POST', '/api/v1/background-task/{task_id}/cancel'],
  'v1.dead-letter.list': ['GET', '/api/v1/app/{app_id}/dead-letter'],
  'v1.dead-letter.replay-many': ['POST', '/api/v1/app/{app_id}/dead-letter/replay'],
  'v1.dead-letter.review': [
    'POST',
    '/api/v1/app/{app_id}/dead-letter/{msg_id}/endpoint/{endpoint_id}/review',
  ],
  'v1.dead-letter.replay': [
    'POST',
    '/api/v1/app/{app_id}/dead-letter/{msg_id}/endpoint/{endpoint_id}/replay',
  ],
  'v1.dead-letter.edit-and-replay': [
    'POST',
    '/api/v1/app/{app_id}/dead-letter/{msg_id}/endpoint/{endpoint_id}/edit-and-replay',
  ],
  'v1.dead-letter.discard': [
    'POST',
    '/api/v1/app/{app_id}/dead-letter/{msg_id}/endpoint/{endpoint_id}/discard',
  ],
  'v1.message.create-batch': ['POST', '/api/v1/app/{app_id}/msg/batch'],
} as const;

export interface components {
  schemas: {
    readonly EgressIpsOut: {
      readonly ips: readonly string[];
    };
    readonly ServerOut: {
      readonly version: string;
      readonly node: {
        readonly id: string;
        readonly name: string;
        /** @enum {string} */
        readonly role: 'all' | 'api';
      };
      /** @description As it was set. */
      readonly publicUrl: string | null;
      /** @description What this server takes as an endpoint. */
      readonly endpoints: {
        readonly httpsOnly: boolean;
        /** @description Where endpoints may lie although the address guard forbids it. */
        readonly allowSubnets: readonly string[];
      };
      readonly database: {
        readonly serverVersion: string;
        readonly schemaVersion: number | null;
        /** @description The newest migration that this server knows. */
        readonly programVersion: number;
        readonly connections: number;
        readonly maxConnections: number;
        /** @description Connections that this server takes at most. */
        readonly pool: number;
        /** Format: date-time */
        readonly now: string;
        /** @description Whether the database itself keeps the rows of one tenant from the others. */
        readonly rowSecurity: boolean;
      };
    };
    readonly ApplicationIn: {
      readonly name: string;
      /** @description A name of your own, unique and good in place of the id */
      readonly uid?: string | null;
      /** @description Requests a second at most */
      readonly throttleRate?: number;
      /** @description The older name of `throttleRate` */
      readonly rateLimit?: number;
      /** @description Texts by name, for your own use; at most 4096 bytes */
      readonly metadata?: {
        readonly [key: string]: string;
      } | null;
    } | null;
    readonly ClusterOut: {
      readonly nodes: readonly components['schemas']['ClusterNodeOut'][];
      readonly partitions: readonly components['schemas']['ClusterPartitionOut'][];
      /** @description Partitions without an owner whose lease runs. */
      readonly unowned: number;
      readonly lanes: {
        readonly total: number;
        readonly due: number;
        readonly blocked: number;
      };
      /** @description How long the oldest delivery that is due has been waiting. */
      readonly queueAgeMs: number;
    };
    readonly ClusterNodeOut: {
      readonly id: string;
      readonly name: string;
      /** @enum {string} */
      readonly role: 'all' | 'api' | 'worker';
      /** Format: date-time */
      readonly joinedAt: string;
      /** Format: date-time */
      readonly leaseUntil: string;
      readonly partitions: number;
    };
    readonly ClusterPartitionOut: {
      readonly id: number;
      /** @description Raised with every change of owner; with the node it is the token that fences. */
      readonly epoch: number;
      readonly node: string | null;
      /** Format: date-time */
      readonly leaseUntil: string | null;
      /** @description Earlier tokens with attempts in flight. */
      readonly draining: number;
      readonly lanesDue: number;
    };
    readonly RecoverOut: {
      readonly id: string;
      /** @enum {string} */
      readonly status: 'running' | 'finished' | 'failed';
      /** @enum {string} */
      readonly task:
        | 'endpoint.recover'
        | 'endpoint.replay'
        | 'endpoint.bulk-replay'
        | 'application.purge_content'
        | 'application.stats'
        | 'event-type.aggregate'
        | 'message.broadcast'
        | 'sdk.generate'
        | 'application.replay'
        | 'endpoint.cancel';
      /** @description When it was last changed */
      readonly updatedAt: string;
    };
    readonly EndpointOut: {
      readonly description: string;
      /** @description The older name of `throttleRate` */
      readonly rateLimit: number | null;
      /** @description Requests a second at most */
      readonly throttleRate: number | null;
      /** @description A name of your own, unique and good in place of the id */
      readonly uid: string | null;
      readonly url: string;
      readonly version: number;
      /** @description A disabled endpoint gets no new deliveries */
      readonly disabled: boolean;
      /** @description The event types that are wanted; null for all */
      readonly eventTypes: readonly string[] | null;
      /** @description The older name of `eventTypes` */
      readonly filterTypes: readonly string[] | null;
      /** @description A message reaches endpoints that share a channel with it; null for all */
      readonly channels: readonly string[] | null;
      /** @description When it was created */
      readonly createdAt: string;
      /** @description When it was last changed */
      readonly updatedAt: string;
      readonly id: string;
      /** @description Texts by name, for your own use; at most 4096 bytes */
      readonly metadata: {
        readonly [key: string]: string;
      };
      /** @description Who is told when the endpoint is in trouble */
      readonly ownerEmail?: string;
      /** @description Waits in seconds before each further attempt, or a policy; null for the default */
      readonly retryPolicy?: unknown;
      /** @description All of its messages arrive in the order in which they were posted, one at a time */
      readonly fifo: boolean;
      /**
       * @description Whether a message that was given up stops what comes after it in its order (`block`) or not (`skip`)
       * @enum {string}
       */
      readonly poisonPolicy: 'block' | 'skip';
      /** @description Why it was disabled */
      readonly disabledReason?: string;
      readonly delivering: components['schemas']['EndpointDelivering'];
    };
    readonly EndpointDelivering: {
      /** @enum {string} */
      readonly state: 'active' | 'disabled' | 'paused' | 'blocked';
      readonly reason?: string;
      /** @description From this moment on */
      readonly since?: string;
      /** @description Up to this moment */
      readonly until?: string;
      readonly failingSince?: string;
    };
    readonly EndpointPauseIn: {
      /**
       * Format: date-time
       * @description Up to this moment
       */
      readonly until?: string;
      readonly reason?: string | null;
    };
    readonly BlockedKeyOut: {
      /** @description Null: all of the endpoint (`fifo`) */
      readonly orderingKey: string | null;
      /** @description Of the dead letter that blocks it */
      readonly msgId: string;
      /** @description Name of the event type */
      readonly eventType: string;
      readonly reason: string;
      /** @description When the message was given up */
      readonly since: string;
      readonly waiting: components['schemas']['CountOut'];
    };
    readonly CountOut: {
      readonly count: number;
      readonly approximated: boolean;
    };
    readonly BlockedKeyReleaseOut: {
      readonly released: number;
    };
    readonly BlockedKeyReleaseIn: {
      /** @description Only this one; without it all of the endpoint */
      readonly orderingKey?: string;
    };
    readonly MessageOut: {
      /** @description A name of your own for the event: a second message with it is refused */
      readonly eventId: string | null;
      /** @description Name of the event type */
      readonly eventType: string;
      /** @description What is delivered, byte for byte */
      readonly payload: {
        readonly [key: string]: unknown;
      };
      /** @description A message reaches endpoints that share a channel with it; null for all */
      readonly channels: readonly string[] | null;
      readonly id: string;
      /** @description When it was made */
      readonly timestamp: string;
      /** @description To find the message by */
      readonly tags: readonly string[] | null;
      /** @description When it happened, where that is not when it is posted */
      readonly occurredAt?: string;
      readonly deliverAt?: string;
      readonly expiresAt?: string;
      /**
       * @description How urgent: critical, normal or bulk; of an event type, that of its messages that name none
       * @enum {string}
       */
      readonly priority?: 'critical' | 'normal' | 'bulk';
      /** @description Messages of one key reach each endpoint in the order in which they were posted */
      readonly orderingKey?: string;
      readonly replaces?: string;
    };
    readonly BackgroundTaskOut: {
      readonly id: string;
      /** @enum {string} */
      readonly status: 'running' | 'finished' | 'failed';
      /** @enum {string} */
      readonly task:
        | 'endpoint.recover'
        | 'endpoint.replay'
        | 'endpoint.bulk-replay'
        | 'application.purge_content'
        | 'application.stats'
        | 'event-type.aggregate'
        | 'message.broadcast'
        | 'sdk.generate'
        | 'application.replay'
        | 'endpoint.cancel';
      /** @description When it was last changed */
      readonly updatedAt: string;
      readonly data: {
        readonly [key: string]: unknown;
      };
    };
    readonly DeadLetterOut: {
      readonly msgId: string;
      readonly endpointId: string;
      readonly run: number;
      /** @description Name of the event type */
      readonly eventType: string;
      readonly reason: string;
      /** @enum {string} */
      readonly state: 'open' | 'replayed' | 'discarded';
      readonly diedAt: string;
      readonly changedAt: string;
      readonly review: components['schemas']['DeadLetterReviewOut'];
      readonly replacedBy: string | null;
      /** @description Messages of one key reach each endpoint in the order in which they were posted */
      readonly orderingKey: string | null;
      /** @description What comes after it in its order waits for it to be dealt with */
      readonly blocks: boolean;
    };
    readonly DeadLetterReviewOut: {
      readonly by: string;
      readonly at: string;
      readonly note: string | null;
    } | null;
    readonly DeadLetterReplayIn: {
      /**
       * Format: date-time
       * @description From this moment on
       */
      readonly since: string;
      /**
       * Format: date-time
       * @description Up to this moment
       */
      readonly until?: string;
      readonly endpointId?: string | null;
      /** @description The event types that are wanted; null for all */
      readonly eventTypes?: readonly string[] | null;
    };
    readonly DeadLetterReviewIn: {
      readonly reviewer?: string | null;
      readonly note?: string | null;
    };
    readonly DeadLetterEditIn: {
      readonly reviewer?: string | null;
      readonly note?: string | null;
      /** @description What is delivered, byte for byte */
      readonly payload?: {
        readonly [key: string]: unknown;
      };
      readonly rawPayload?: string;
      readonly contentType?: string;
    };
    readonly MessageIn: {
      /** @description Name of the event type */
      readonly eventType: string;
      /** @description What is delivered, byte for byte */
      readonly payload: {
        readonly [key: string]: unknown;
      };
      /** @description A name of your own for the event: a second message with it is refused */
      readonly eventId?: string | null;
      /** @description A message reaches endpoints that share a channel with it; null for all */
      readonly channels?: readonly string[] | null;
      /** @description To find the message by */
      readonly tags?: readonly string[] | null;
      /** @description Days that the payload is kept */
      readonly payloadRetentionPeriod?: number | null;
      readonly payloadRetentionHours?: number | null;
      readonly application?: components['schemas']['ApplicationIn'];
      readonly transformationsParams?: {
        readonly [key: string]: unknown;
      } | null;
      /**
       * Format: date-time
       * @description When it happened, where that is not when it is posted
       */
      readonly occurredAt?: string | null;
      /** Format: date-time */
      readonly deliverAt?: string | null;
      /** Format: date-time */
      readonly expiresAt?: string | null;
      /**
       * @description How urgent: critical, normal or bulk; of an event type, that of its messages that name none
       * @enum {string|null}
       */
      readonly priority?: 'critical' | 'normal' | 'bulk' | null;
      /** @description Messages of one key reach each endpoint in the order in which they were posted */
      readonly orderingKey?: string | null;
    };
    readonly MessageBatchOut: {
      readonly data: readonly {
        readonly status: number;
        readonly message?: components['schemas']['MessageOut'];
        readonly error?: {
          readonly [key: string]: unknown;
        };
      }[];
    };
    readonly MessageBatchIn: {
      readonly messages: readonly components['schemas']['MessageIn'][];
    };
  };
  responses: never;
  parameters: never;
  requestBodies: never;
  headers: never;
  pathItems: never;
}
export interface operations {
  readonly 'v1.egress-ips.get': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Done */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['EgressIpsOut'];
        };
      };
    };
  };
  readonly 'v1.admin.server': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Done */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['ServerOut'];
        };
      };
    };
  };
  readonly 'v1.admin.cluster': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Done */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['ClusterOut'];
        };
      };
    };
  };
  readonly 'v1.endpoint.pause': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        /** @description Id or uid of the application */
        readonly app_id: string;
        /** @description Id or uid of the endpoint */
        readonly endpoint_id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: {
      readonly content: {
        readonly 'application/json': components['schemas']['EndpointPauseIn'];
      };
    };
    readonly responses: {
      /** @description Done */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['EndpointOut'];
        };
      };
    };
  };
  readonly 'v1.endpoint.resume': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        /** @description Id or uid of the application */
        readonly app_id: string;
        /** @description Id or uid of the endpoint */
        readonly endpoint_id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Done */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['EndpointOut'];
        };
      };
    };
  };
  readonly 'v1.endpoint.list-blocked-keys': {
    readonly parameters: {
      readonly query?: {
        /** @description How many at most; 250 is the most */
        readonly limit?: number;
        /** @description Where the next page begins; as a parameter, where to go on */
        readonly iterator?: string;
      };
      readonly header?: never;
      readonly path: {
        /** @description Id or uid of the application */
        readonly app_id: string;
        /** @description Id or uid of the endpoint */
        readonly endpoint_id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Done */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': {
            readonly data: readonly components['schemas']['BlockedKeyOut'][];
            /** @description Where the next page begins; as a parameter, where to go on */
            readonly iterator: string | null;
            /** @description As `iterator`, to go back */
            readonly prevIterator?: string;
            /** @description Whether this was the last page */
            readonly done: boolean;
          };
        };
      };
    };
  };
  readonly 'v1.endpoint.release-blocked-keys': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        /** @description Id or uid of the application */
        readonly app_id: string;
        /** @description Id or uid of the endpoint */
        readonly endpoint_id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: {
      readonly content: {
        readonly 'application/json': components['schemas']['BlockedKeyReleaseIn'];
      };
    };
    readonly responses: {
      /** @description Done */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['BlockedKeyReleaseOut'];
        };
      };
    };
  };
  readonly 'v1.background-task.cancel': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        /** @description Id of the background task */
        readonly task_id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Done */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['BackgroundTaskOut'];
        };
      };
    };
  };
  readonly 'v1.dead-letter.list': {
    readonly parameters: {
      readonly query?: {
        /** @description How many at most; 250 is the most */
        readonly limit?: number;
        /** @description Where the next page begins; as a parameter, where to go on */
        readonly iterator?: string;
        /** @description Only of these event types, separated by commas */
        readonly event_types?: readonly string[];
        readonly endpoint_id?: string;
        readonly state?: 'open' | 'replayed' | 'discarded';
        readonly reason?: string;
        readonly reviewed?: boolean;
        /** @description From this moment on */
        readonly since?: string;
        /** @description Up to this moment */
        readonly until?: string;
      };
      readonly header?: never;
      readonly path: {
        /** @description Id or uid of the application */
        readonly app_id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Done */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': {
            readonly data: readonly components['schemas']['DeadLetterOut'][];
            /** @description Where the next page begins; as a parameter, where to go on */
            readonly iterator: string | null;
            /** @description As `iterator`, to go back */
            readonly prevIterator?: string;
            /** @description Whether this was the last page */
            readonly done: boolean;
          };
        };
      };
    };
  };
  readonly 'v1.dead-letter.replay-many': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        /** @description Id or uid of the application */
        readonly app_id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody: {
      readonly content: {
        readonly 'application/json': components['schemas']['DeadLetterReplayIn'];
      };
    };
    readonly responses: {
      /** @description Accepted */
      readonly 202: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['RecoverOut'];
        };
      };
    };
  };
  readonly 'v1.dead-letter.review': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        /** @description Id or uid of the application */
        readonly app_id: string;
        /** @description Id of the message, or its event id */
        readonly msg_id: string;
        /** @description Id or uid of the endpoint */
        readonly endpoint_id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: {
      readonly content: {
        readonly 'application/json': components['schemas']['DeadLetterReviewIn'];
      };
    };
    readonly responses: {
      /** @description Done */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['DeadLetterOut'];
        };
      };
    };
  };
  readonly 'v1.dead-letter.replay': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        /** @description Id or uid of the application */
        readonly app_id: string;
        /** @description Id of the message, or its event id */
        readonly msg_id: string;
        /** @description Id or uid of the endpoint */
        readonly endpoint_id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: {
      readonly content: {
        readonly 'application/json': components['schemas']['DeadLetterReviewIn'];
      };
    };
    readonly responses: {
      /** @description Accepted */
      readonly 202: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['DeadLetterOut'];
        };
      };
    };
  };
  readonly 'v1.dead-letter.edit-and-replay': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        /** @description Id or uid of the application */
        readonly app_id: string;
        /** @description Id of the message, or its event id */
        readonly msg_id: string;
        /** @description Id or uid of the endpoint */
        readonly endpoint_id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody: {
      readonly content: {
        readonly 'application/json': components['schemas']['DeadLetterEditIn'];
      };
    };
    readonly responses: {
      /** @description Accepted */
      readonly 202: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['DeadLetterOut'];
        };
      };
    };
  };
  readonly 'v1.dead-letter.discard': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        /** @description Id or uid of the application */
        readonly app_id: string;
        /** @description Id of the message, or its event id */
        readonly msg_id: string;
        /** @description Id or uid of the endpoint */
        readonly endpoint_id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: {
      readonly content: {
        readonly 'application/json': components['schemas']['DeadLetterReviewIn'];
      };
    };
    readonly responses: {
      /** @description Done */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['DeadLetterOut'];
        };
      };
    };
  };
  readonly 'v1.message.create-batch': {
    readonly parameters: {
      readonly query?: {
        /** @description False leaves the payload or the response out */
        readonly with_content?: boolean;
      };
      readonly header?: never;
      readonly path: {
        /** @description Id or uid of the application */
        readonly app_id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody: {
      readonly content: {
        readonly 'application/json': components['schemas']['MessageBatchIn'];
      };
    };
    readonly responses: {
      /** @description Accepted */
      readonly 202: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['MessageBatchOut'];
        };
      };
    };
  };
}
