import type { Clock } from '../clock.ts';
import type { AttemptReport, RefusedReason } from '../domain/attempt.ts';
import type { EndpointConfig } from '../domain/configuration.ts';
import { type ConnectDeps, createSessionMemory, trusting } from './connect.ts';
import { Exchange, type ExchangeHost, type Outgoing } from './exchange.ts';
import {
  type FixedHeaders,
  fixedHeaders,
  isHeaderValue,
  type SignatureNames,
  signatureNames,
} from './headers.ts';
import { createInFlight } from './in-flight.ts';
import { createLookup } from './lookup.ts';
import { createPools } from './pools.ts';
import { parseEgressProxy } from './proxy.ts';
import { createResolver, type ResolveName } from './resolver.ts';
import type { AttemptSettings } from './settings.ts';
import { signatureOf } from './sign.ts';
import { parseTarget, type Target, urlRules } from './url.ts';

export type AttemptRequest = {
  readonly endpoint: Pick<EndpointConfig, 'url' | 'keys' | 'headers'>;
  readonly messageId: string;
  readonly payload: Uint8Array;
  readonly contentType: string;
  /**
   * Ends the attempt early: `unknown` once the request was written, network `aborted` before.
   * One signal may be shared by any number of attempts.
   */
  readonly signal?: AbortSignal;
  /** Asked before the request is written, where that is later than the call; false: as if aborted. */
  readonly isWanted?: () => boolean;
};

/** Makes one try at an endpoint. */
export type Attempter = {
  /**
   * Sends one signed request and reports what came of it. Never rejects, and settles within
   * `timeoutMs` whatever the receiver does. One call is one request on the wire at most: nothing
   * is followed and nothing is sent again.
   */
  readonly deliver: (request: AttemptRequest) => Promise<AttemptReport>;
  /** Accepts no more (network `closed`), waits for the attempts in flight and closes all sockets. */
  readonly close: () => Promise<void>;
  /** For metrics. `waiting` counts attempts that found every socket in use. */
  readonly sizes: () => {
    readonly sockets: number;
    readonly idle: number;
    readonly origins: number;
    readonly inFlight: number;
    readonly waiting: number;
  };
};

type Sendable = { readonly ok: true; readonly target: Target; readonly fixed: FixedHeaders };
type Prepared = Sendable | { readonly ok: false; readonly why: RefusedReason };

/**
 * @param deps.resolve Resolves names; the system's resolver when absent.
 * @throws Error when a subnet, a certificate or the proxy of the settings cannot be read.
 */
export const createAttempter = (deps: {
  readonly clock: Clock;
  readonly settings: AttemptSettings;
  readonly resolve?: ResolveName;
}): Attempter => {
  const { clock, settings } = deps;
  const rules = urlRules(settings);
  const lookup = createLookup({
    clock,
    policy: rules.addresses,
    timeoutMs: settings.dnsTimeoutMs,
    resolve: deps.resolve ?? createResolver({ hostsFile: rules.addresses.hasExemptions }),
  });
  const connectDeps: ConnectDeps = {
    clock,
    lookup,
    policy: rules.addresses,
    sessions: createSessionMemory(settings.maxOrigins),
    connectTimeoutMs: settings.connectTimeoutMs,
    secureContext: trusting(settings.extraCa),
    proxy: settings.egressProxy === null ? null : parseEgressProxy(settings.egressProxy),
  };
  const pools = createPools(settings, connectDeps);
  const names = signatureNames(settings.headerPrefix);
  const preparedByEndpoint = new WeakMap<AttemptRequest['endpoint'], Prepared>();
  const inFlight = createInFlight<Exchange<AttemptRequest>>(clock);
  // Found every socket in use, in the order of arrival.
  const waiting = new Map<Exchange<AttemptRequest>, Sendable>();
  const watched = new WeakSet<AbortSignal>();
  let onIdle: (() => void) | null = null;
  let closed: Promise<void> | null = null;

  const prepare = (endpoint: AttemptRequest['endpoint']): Prepared => {
    let prepared = preparedByEndpoint.get(endpoint);
    if (prepared === undefined) {
      const verdict = parseTarget(endpoint.url, rules);
      prepared = verdict.ok
        ? { ok: true, target: verdict.target, fixed: fixedHeaders(endpoint, verdict.target, settings) }
        : { ok: false, why: verdict.why };
      preparedByEndpoint.set(endpoint, prepared);
    }
    return prepared;
  };

  /** False when every socket is in use. */
  const begin = (exchange: Exchange<AttemptRequest>, prepared: Sendable): boolean => {
    const connection = pools.take(prepared.target);
    if (connection === null) return false;
    let outgoing: Outgoing;
    try {
      outgoing = signed(exchange.request, prepared, names, clock);
    } catch {
      pools.discard(connection);
      exchange.fail({ kind: 'protocol', code: 'bad_key' });
      return true;
    }
    exchange.start(connection, outgoing);
    return true;
  };

  const beginWaiting = (): void => {
    for (const [exchange, prepared] of waiting) {
      // Begun with little time left, it would blame the receiver for what was our wait.
      const isTooLate = exchange.deadlineMs - clock.monotonicMs() < settings.timeoutMs / 2;
      if (isTooLate) exchange.fail({ kind: 'network', code: 'no_socket' });
      else if (exchange.mayWrite() && !begin(exchange, prepared)) return;
      waiting.delete(exchange);
    }
  };

  const host: ExchangeHost<AttemptRequest> = {
    clock,
    onEnd: (exchange, connection, idleMs) => {
      inFlight.delete(exchange);
      if (connection === null) waiting.delete(exchange);
      else if (idleMs > 0) pools.giveBack(connection, idleMs);
      else pools.discard(connection);
      if (waiting.size > 0) beginWaiting();
      if (inFlight.size() === 0) onIdle?.();
    },
  };

  // One listener per signal: hundreds on one signal are slow to remove and warned about.
  const watch = (signal: AbortSignal): void => {
    if (watched.has(signal)) return;
    watched.add(signal);
    signal.addEventListener(
      'abort',
      () => {
        for (const exchange of inFlight.list()) if (exchange.request.signal === signal) exchange.abort();
      },
      { once: true },
    );
  };

  const accept = (request: AttemptRequest, resolve: (report: AttemptReport) => void): void => {
    const exchange = new Exchange(host, request, settings.timeoutMs, resolve);
    inFlight.add(exchange);
    if (closed !== null) return exchange.fail({ kind: 'network', code: 'closed' });
    if (request.signal?.aborted === true) return exchange.abort();
    if (!isHeaderValue(request.contentType)) return exchange.fail({ kind: 'protocol', code: 'bad_request' });
    const prepared = prepare(request.endpoint);
    if (!prepared.ok) return exchange.fail({ kind: 'refused', why: prepared.why });

    if (request.signal !== undefined) watch(request.signal);
    if (waiting.size > 0 || !begin(exchange, prepared)) waiting.set(exchange, prepared);
  };

  return {
    deliver: (request) => new Promise((resolve) => accept(request, resolve)),
    close: () => {
      closed ??= new Promise<void>((resolve) => {
        onIdle = () => {
          pools.closeIdle();
          resolve();
        };
        if (inFlight.size() === 0) onIdle();
      });
      return closed;
    },
    sizes: () => ({ ...pools.sizes(), inFlight: inFlight.size(), waiting: waiting.size }),
  };
};

/** The request as it goes out now: timestamp and signatures belong to this attempt. */
const signed = (
  { endpoint, messageId, payload, contentType }: AttemptRequest,
  { fixed }: Sendable,
  names: SignatureNames,
  clock: Clock,
): Outgoing => {
  const seconds = Math.floor(clock.nowMs() / 1_000);
  const signature = signatureOf(endpoint.keys, messageId, seconds, payload);
  let own = `content-type: ${contentType}\r\n`;
  for (const [idName, timestampName, signatureName] of names)
    own += `${idName}: ${messageId}\r\n${timestampName}: ${seconds}\r\n${signatureName}: ${signature}\r\n`;
  return {
    head: `${fixed.start}${own}${fixed.lines}content-length: ${payload.byteLength}\r\n\r\n`,
    shownHeaders: own + fixed.shown,
    secrets: fixed.secrets,
  };
};
