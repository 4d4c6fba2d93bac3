import type { HeaderPair } from '../domain/attempt.ts';
import type { EndpointConfig, EndpointKey, SigningKey } from '../domain/configuration.ts';
import { retryPolicyOf } from './retry-policy.ts';
import type { Sealer } from './sealed.ts';

/** Column list for a select that feeds {@link endpointConfigOf}; `e` is the endpoint's alias. */
export const endpointColumns = `e.id, e.app_id, e.org_id, e.partition, e.url, e.disabled, e.event_types,
  e.channels, e.keys, e.headers, e.retry_policy, e.rate_limit, e.paused_at, e.paused_until, e.fifo`;

export type EndpointRow = {
  readonly id: string;
  readonly app_id: string;
  readonly org_id: string;
  readonly partition: number;
  readonly url: string;
  readonly disabled: boolean;
  readonly event_types: string[] | null;
  readonly channels: string[] | null;
  readonly keys: unknown;
  readonly headers: Buffer | null;
  readonly retry_policy: unknown;
  readonly rate_limit: number | null;
  readonly paused_at: number | null;
  readonly paused_until: number | null;
  readonly fifo: boolean;
  /** Read by who delivers only. */
  readonly application_rate_limit?: number | null;
};

/** What a sealed secret of an endpoint is bound to. */
const keyContext = (endpointId: string): string => `endpoint-key:${endpointId}`;
const headerContext = (endpointId: string): string => `endpoint-headers:${endpointId}`;

const HMAC = 1;
const ED25519 = 2;
const ED25519_PART_BYTES = 32;

const keyBytes = (key: SigningKey): Buffer =>
  key.kind === 'hmac256'
    ? Buffer.concat([Buffer.of(HMAC), key.key])
    : Buffer.concat([Buffer.of(ED25519), key.seed, key.publicKey]);

const signingKeyOf = (bytes: Buffer): SigningKey => {
  const body = bytes.subarray(1);
  if (bytes[0] === HMAC && body.length > 0) return { kind: 'hmac256', key: body };
  if (bytes[0] === ED25519 && body.length === 2 * ED25519_PART_BYTES) {
    return {
      kind: 'ed25519',
      seed: body.subarray(0, ED25519_PART_BYTES),
      publicKey: body.subarray(ED25519_PART_BYTES),
    };
  }
  throw new Error('a stored signing key has an unknown format');
};

/** Column `keys` (JSON text) of an endpoint, current key first. */
export const sealKeys = (endpointId: string, keys: readonly EndpointKey[], sealer: Sealer): string =>
  JSON.stringify(
    keys.map(({ key, expiresAtMs }) => ({
      sealed: sealer.seal(keyBytes(key), keyContext(endpointId)).toString('base64'),
      expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
    })),
  );

/** The opposite of {@link sealKeys}; takes the column as parsed JSON. */
export const openKeys = (endpointId: string, column: unknown, sealer: Sealer): EndpointKey[] =>
  (column as { sealed: string; expiresAt: string | null }[]).map(({ sealed, expiresAt }) => ({
    key: signingKeyOf(sealer.open(Buffer.from(sealed, 'base64'), keyContext(endpointId))),
    expiresAtMs: expiresAt === null ? null : Date.parse(expiresAt),
  }));

/** Column `headers` of an endpoint: null where there are none. */
export const sealHeaders = (
  endpointId: string,
  headers: readonly HeaderPair[],
  sealer: Sealer,
): Buffer | null =>
  headers.length === 0 ? null : sealer.seal(Buffer.from(JSON.stringify(headers)), headerContext(endpointId));

/** The opposite of {@link sealHeaders}. */
export const openHeaders = (endpointId: string, column: Uint8Array | null, sealer: Sealer): HeaderPair[] =>
  column === null
    ? []
    : (JSON.parse(sealer.open(column, headerContext(endpointId)).toString('utf8')) as HeaderPair[]);

/** Whether both columns need no earlier main secret. */
export const areCurrent = (keys: unknown, headers: Uint8Array | null, sealer: Sealer): boolean =>
  (keys as { sealed: string }[]).every(({ sealed }) => sealer.isCurrent(Buffer.from(sealed, 'base64'))) &&
  (headers === null || sealer.isCurrent(headers));

/** Hears of endpoints whose secrets or policies cannot be read, and why. */
export type OnUnreadable = (endpointId: string, why: string) => void;

type Opened = Pick<EndpointConfig, 'keys' | 'headers' | 'retryPolicy' | 'paused' | 'isUnreadable'>;

const openedOf = (row: EndpointRow, sealer: Sealer, onUnreadable: OnUnreadable): Opened => {
  try {
    return {
      paused: row.paused_at === null ? null : { untilMs: row.paused_until },
      keys: openKeys(row.id, row.keys, sealer),
      headers: openHeaders(row.id, row.headers, sealer),
      retryPolicy: retryPolicyOf(row.retry_policy),
    };
  } catch (error) {
    onUnreadable(row.id, (error as Error).message);
    // Held, not failed: whoever has the secret delivers what waits. And others are loaded with it.
    return { paused: { untilMs: null }, keys: [], headers: [], retryPolicy: null, isUnreadable: true };
  }
};

/** An endpoint as matching and delivering see it, its secrets opened; paused where they do not open. */
export const endpointConfigOf = (
  row: EndpointRow,
  sealer: Sealer,
  onUnreadable: OnUnreadable,
): EndpointConfig => ({
  id: row.id,
  applicationId: row.app_id,
  orgId: row.org_id,
  partition: row.partition,
  url: row.url,
  disabled: row.disabled,
  eventTypes: row.event_types,
  channels: row.channels,
  rateLimit: row.rate_limit,
  ...(typeof row.application_rate_limit === 'number'
    ? { applicationRateLimit: row.application_rate_limit }
    : {}),
  ...openedOf(row, sealer, onUnreadable),
  fifo: row.fifo,
});
