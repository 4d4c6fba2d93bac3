/** What an operator decides about outgoing requests. Times in milliseconds. */
export type AttemptSettings = {
  /** The whole attempt: waiting for a socket, name, connection, request, answer with its body. */
  readonly timeoutMs: number;
  /** Name, TCP and TLS together. */
  readonly connectTimeoutMs: number;
  /** The name alone, within `connectTimeoutMs`. */
  readonly dnsTimeoutMs: number;
  /** Only https URLs, except for addresses inside `allowSubnets`. */
  readonly httpsOnly: boolean;
  /** CIDRs that the address guard lets through although they are not public. */
  readonly allowSubnets: readonly string[];
  /** CIDRs that it never lets through, whatever else is said of them. */
  readonly denySubnets: readonly string[];
  /** Ports below 1024 besides 80 and 443 that endpoints may use, and blocked ones to free. */
  readonly allowPorts: readonly number[];
  /** Names of the id, timestamp and signature headers. */
  readonly headerPrefix: 'webhook' | 'svix' | 'both';
  readonly userAgent: string;
  /** A header of this installation by which it knows its own deliveries, should one come back to it; null: none. */
  readonly mark: readonly [name: string, value: string] | null;
  /** Sockets of this process towards receivers, in use and idle together. */
  readonly maxSockets: number;
  /** Idle sockets kept for one origin. How many are in use is the caller's decision. */
  readonly idleSocketsPerOrigin: number;
  /** Origins whose TLS session is remembered for a cheaper next handshake. */
  readonly maxOrigins: number;
  /**
   * An idle socket is closed after this long, or two seconds before the moment that the receiver
   * announced. Short, because a receiver may close an idle socket just when a request goes out.
   */
  readonly keepAliveMs: number;
  /** PEM certificates trusted besides the well-known authorities. */
  readonly extraCa: readonly string[];
  /** A proxy that every request goes through, as a URL with its credentials; null: none. */
  readonly egressProxy: string | null;
};

export const defaultAttemptSettings: AttemptSettings = {
  timeoutMs: 15_000,
  connectTimeoutMs: 5_000,
  dnsTimeoutMs: 3_000,
  httpsOnly: true,
  allowSubnets: [],
  denySubnets: [],
  allowPorts: [],
  headerPrefix: 'webhook',
  userAgent: 'Posthorn',
  mark: null,
  maxSockets: 1_024,
  idleSocketsPerOrigin: 64,
  maxOrigins: 4_096,
  keepAliveMs: 4_000,
  extraCa: [],
  egressProxy: null,
};
