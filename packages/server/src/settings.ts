/**
 * Every setting, once. Environment variables, command-line flags, the keys of the YAML file,
 * `--help` and docs/config.md all come from this table.
 */

type Common = {
  readonly env: string;
  /** As text; absent where there is none. */
  readonly default?: string;
  readonly unit?: string;
  readonly description: string;
  /** May come from `<env>_FILE`; never shown. */
  readonly secret?: true;
  /** Set to nothing is a value of its own. */
  readonly emptyIsValue?: true;
};

export type Setting =
  | (Common & { readonly kind: 'text' })
  | (Common & { readonly kind: 'boolean' })
  | (Common & {
      readonly kind: 'number';
      readonly min?: number;
      readonly max?: number;
      readonly whole?: true;
    })
  | (Common & { readonly kind: 'list' })
  | (Common & { readonly kind: 'choice'; readonly choices: readonly string[] });

export const settings = {
  listen: {
    kind: 'text',
    env: 'POSTHORN_LISTEN',
    default: '127.0.0.1:8071',
    description: 'Address and port of the HTTP API. Use 0.0.0.0:8071 to serve other machines.',
  },
  publicUrl: {
    kind: 'text',
    env: 'POSTHORN_PUBLIC_URL',
    description: 'The URL that others reach this server by, where it differs from the listening address.',
  },
  databaseUrl: {
    kind: 'text',
    env: 'DATABASE_URL',
    secret: true,
    description: 'The PostgreSQL (15 or newer) to use. Without it, the embedded one.',
  },
  databaseDisk: {
    kind: 'text',
    env: 'POSTHORN_DATABASE_DISK',
    description:
      'The disk that the database fills, to be warned before it is full: a directory on it where it is on this machine (the embedded one’s is known), or its size, such as 200GB, where it is elsewhere.',
  },
  embedded: {
    kind: 'boolean',
    env: 'POSTHORN_EMBEDDED',
    default: 'false',
    description: 'Lets `posthorn start` run the embedded PostgreSQL. `posthorn dev` always may.',
  },
  dataDir: {
    kind: 'text',
    env: 'POSTHORN_DATA_DIR',
    description:
      'Where the embedded PostgreSQL and the secrets of `posthorn dev` live. Default: the usual place of the system.',
  },
  jwtSecret: {
    kind: 'text',
    env: 'POSTHORN_JWT_SECRET',
    secret: true,
    description:
      'Signs API tokens (HS256, the raw bytes of this text). Any `sub: org_…` signed with it is a tenant.',
  },
  jwtSecretsOld: {
    kind: 'list',
    env: 'POSTHORN_JWT_SECRET_OLD',
    secret: true,
    default: '',
    description:
      'Earlier JWT secrets that are still accepted: separated by spaces or commas, or one a line, or a JSON list of texts.',
  },
  mainSecret: {
    kind: 'text',
    env: 'POSTHORN_MAIN_SECRET',
    secret: true,
    description:
      'Encrypts endpoint secrets at rest (AES-256-GCM; the key is derived by HKDF). 32 bytes or more.',
  },
  mainSecretsOld: {
    kind: 'list',
    env: 'POSTHORN_MAIN_SECRET_OLD',
    secret: true,
    default: '',
    description:
      'Earlier main secrets that can still be read: separated by spaces or commas, or one a line, or a JSON list of texts.',
  },
  retrySchedule: {
    kind: 'text',
    env: 'POSTHORN_RETRY_SCHEDULE',
    default: 'default',
    unit: 'seconds',
    emptyIsValue: true,
    description:
      'Waits before each retry, in seconds with fractions, separated by commas; empty: one attempt; or a preset: default (24 h), standard-webhooks (75 h), svix (27 h).',
  },
  attemptTimeout: {
    kind: 'number',
    env: 'POSTHORN_ATTEMPT_TIMEOUT',
    default: '15',
    min: 1,
    max: 60,
    unit: 'seconds',
    description: 'The whole of one attempt: name, connection, TLS, request, response with its body.',
  },
  allowSubnets: {
    kind: 'list',
    env: 'POSTHORN_ALLOW_SUBNETS',
    default: '',
    description: 'Networks (CIDR) that endpoints may lie in although the address guard forbids them.',
  },
  denySubnets: {
    kind: 'list',
    env: 'POSTHORN_DENY_SUBNETS',
    default: '',
    description:
      'Networks (CIDR) that endpoints may never lie in, public or allowed: addresses of your own, load balancers, pods.',
  },
  httpsOnly: {
    kind: 'boolean',
    env: 'POSTHORN_HTTPS_ONLY',
    default: 'true',
    description: 'Endpoints must use https, save those in allowed subnets.',
  },
  signature: {
    kind: 'choice',
    env: 'POSTHORN_SIGNATURE',
    choices: ['hmac256', 'ed25519'],
    default: 'hmac256',
    description: 'The kind of signing key that new endpoints get.',
  },
  headers: {
    kind: 'choice',
    env: 'POSTHORN_HEADERS',
    choices: ['webhook', 'svix', 'both'],
    default: 'webhook',
    description: 'Names of the signature headers: webhook-* (Standard Webhooks), svix-*, or both.',
  },
  disableAfter: {
    kind: 'number',
    env: 'POSTHORN_DISABLE_AFTER',
    default: '432000',
    min: 0,
    unit: 'seconds',
    description: 'An endpoint that has only failed for so long is disabled. 0: never.',
  },
  egressIps: {
    kind: 'list',
    env: 'POSTHORN_EGRESS_IPS',
    default: '',
    description: 'Addresses that deliveries come from, served at GET /api/v1/egress-ips for allow-lists.',
  },
  egressProxy: {
    kind: 'text',
    env: 'POSTHORN_EGRESS_PROXY',
    secret: true,
    description:
      'A proxy that all deliveries go through, http://[user:password@]host:port or https://… Posthorn resolves and judges the address; the proxy is asked (CONNECT) for that address.',
  },
  tlsCert: {
    kind: 'text',
    env: 'POSTHORN_TLS_CERT',
    description: 'Certificate file (PEM) to serve the API by https.',
  },
  tlsKey: { kind: 'text', env: 'POSTHORN_TLS_KEY', description: 'Key file (PEM) of the certificate.' },
  endpointConcurrency: {
    kind: 'number',
    env: 'POSTHORN_ENDPOINT_CONCURRENCY',
    default: '64',
    min: 1,
    max: 10000,
    unit: 'attempts',
    description: 'Attempts in flight to one endpoint.',
  },
  maxInFlight: {
    kind: 'number',
    env: 'POSTHORN_MAX_IN_FLIGHT',
    default: '512',
    min: 1,
    max: 100000,
    unit: 'attempts',
    description: 'Attempts in flight from this process.',
  },
  tokenRate: {
    kind: 'number',
    env: 'POSTHORN_TOKEN_RATE',
    min: 1,
    max: 1_000_000,
    whole: true,
    unit: 'requests a second',
    description:
      'What one token of an organisation may ask of the API, beyond it 429 with Retry-After. Not set: no limit.',
  },
  applicationRate: {
    kind: 'number',
    env: 'POSTHORN_APPLICATION_RATE',
    min: 1,
    max: 1_000_000,
    whole: true,
    unit: 'messages a second',
    description: 'What may be posted to one application, beyond it 429 with Retry-After. Not set: no limit.',
  },
  consumerRate: {
    kind: 'number',
    env: 'POSTHORN_CONSUMER_RATE',
    min: 1,
    max: 1_000_000,
    whole: true,
    unit: 'requests a second',
    description:
      'What one token of an application may ask of the API, beyond it 429 with Retry-After. Not set: no limit.',
  },
  maxBody: {
    kind: 'number',
    env: 'POSTHORN_MAX_BODY',
    default: '2097152',
    min: 1024,
    max: 67108864,
    unit: 'bytes',
    description: 'The largest request body that the API takes.',
  },
  maxPending: {
    kind: 'number',
    env: 'POSTHORN_MAX_PENDING',
    default: '67108864',
    min: 1048576,
    unit: 'bytes',
    description:
      'Payloads under way into the database at once; beyond it producers get 503 with Retry-After.',
  },
  lease: {
    kind: 'number',
    env: 'POSTHORN_LEASE',
    default: '10',
    min: 1,
    max: 300,
    unit: 'seconds',
    description: 'How long a node owns its endpoints without renewing. It renews every third of it.',
  },
  statementTimeout: {
    kind: 'number',
    env: 'POSTHORN_STATEMENT_TIMEOUT',
    default: '5',
    min: 0.1,
    max: 300,
    unit: 'seconds',
    description:
      'The longest that a statement may run. A third of the lease plus this must stay below the lease.',
  },
  grace: {
    kind: 'number',
    env: 'POSTHORN_GRACE',
    default: '20',
    min: 0,
    max: 600,
    unit: 'seconds',
    description: 'On SIGTERM: how long attempts in flight may take before they are handed back.',
  },
  databasePool: {
    kind: 'number',
    env: 'POSTHORN_DATABASE_POOL',
    default: '10',
    min: 2,
    max: 200,
    unit: 'connections',
    description: 'Connections to PostgreSQL at most.',
  },
  role: {
    kind: 'choice',
    env: 'POSTHORN_ROLE',
    choices: ['all', 'api', 'worker'],
    default: 'all',
    description:
      'What this node does. api: accepts messages and serves the API; worker: delivers; all: both. At least one node must deliver.',
  },
  workers: {
    kind: 'text',
    env: 'POSTHORN_WORKERS',
    default: '1',
    description:
      '`posthorn start` only: processes to run, or auto for one per core. They share the address and the database; settings count for each. SIGHUP replaces them one by one.',
  },
  advertise: {
    kind: 'text',
    env: 'POSTHORN_ADVERTISE',
    description:
      'Several nodes only: the address (host or host:port) at which the others reach this node, to tell it at once of work that they have accepted for it. Calls are authenticated by POSTHORN_MAIN_SECRET. Without it, work from others is found by looking, within a tenth of a second. Workers of one pool reach each other without it.',
  },
  nodeName: {
    kind: 'text',
    env: 'POSTHORN_NODE_NAME',
    description:
      'What this node is called in the cluster; no other may have the same. Default: host name and process id.',
  },
  logLevel: {
    kind: 'choice',
    env: 'POSTHORN_LOG_LEVEL',
    choices: ['debug', 'info', 'warn', 'error', 'silent'],
    default: 'info',
    description: 'What is logged, as JSON lines on standard output. info has one line per attempt.',
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof settings;
