import { connect as connectTcp, type Socket } from 'node:net';
import {
  connect as connectTls,
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import type { Clock } from '../clock.ts';
import type { AttemptResult } from '../domain/attempt.ts';
import type { AddressPolicy } from './address.ts';
import { classifyConnectError } from './classify.ts';
import type { Lookup } from './lookup.ts';
import { authorityOf, openTunnel } from './proxy.ts';
import type { EgressProxy } from './proxy.ts';
import type { Target } from './url.ts';

/** `proxy`: not yet at the operator's proxy, through which the rest goes. */
export type ConnectPhase = 'dns' | 'proxy' | 'connect' | 'tls' | 'open';

/** How far a connection has come; times are monotonic milliseconds, null when not reached. */
export type ConnectProgress = {
  phase: ConnectPhase;
  dnsAtMs: number | null;
  connectAtMs: number | null;
  tlsAtMs: number | null;
  /** address:port of the peer. */
  peer: string | null;
};

export const newProgress = (): ConnectProgress => ({
  phase: 'dns',
  dnsAtMs: null,
  connectAtMs: null,
  tlsAtMs: null,
  peer: null,
});

/** What it is when time runs out before the request was written. */
export const timedOutIn = (phase: ConnectPhase): AttemptResult => {
  switch (phase) {
    case 'proxy':
      return { kind: 'network', code: 'proxy_unreachable' };
    case 'open':
      return { kind: 'timeout', phase: 'headers' };
    case 'dns':
    case 'connect':
    case 'tls':
      return { kind: 'timeout', phase };
    default:
      return phase satisfies never;
  }
};

/** TLS sessions by origin, for cheaper handshakes; bounded. */
export type SessionMemory = {
  readonly get: (origin: string) => Buffer | undefined;
  readonly set: (origin: string, session: Buffer) => void;
};

export type ConnectDeps = {
  readonly clock: Clock;
  readonly lookup: Lookup;
  readonly policy: AddressPolicy;
  readonly sessions: SessionMemory;
  readonly connectTimeoutMs: number;
  /** null: the authorities that Node trusts. */
  readonly secureContext: SecureContext | null;
  /** null: straight to the target. */
  readonly proxy: EgressProxy | null;
};

export type Opened =
  | { readonly ok: true; readonly socket: Socket }
  | { readonly ok: false; readonly result: AttemptResult };

// Node gives up on one address after this long when it has another one to try.
const NEXT_ADDRESS_AFTER_MS = 1_000;

/**
 * Opens one connection: name, address guard, TCP, guard again on the peer that answered, TLS.
 * Calls `done` exactly once, later than its own return, unless the returned function stops it.
 */
export const openSocket = (
  target: Target,
  progress: ConnectProgress,
  deps: ConnectDeps,
  done: (opened: Opened) => void,
): (() => void) => {
  let ended = false;
  let socket: Socket | null = null;
  const end = (): boolean => {
    if (ended) return false;
    ended = true;
    clearTimeout(timer);
    return true;
  };
  const fail = (result: AttemptResult): void => {
    if (!end()) return;
    socket?.destroy();
    done({ ok: false, result });
  };
  const timer = setTimeout(() => fail(timedOutIn(progress.phase)), deps.connectTimeoutMs);
  const onError = (error: unknown): void => {
    if (progress.phase !== 'proxy') fail(classifyConnectError(error, progress.phase));
  };
  const succeed = (open: Socket): void => {
    progress.phase = 'open';
    if (end()) done({ ok: true, socket: open });
  };

  const connected = (tcp: Socket, peer: string): void => {
    progress.connectAtMs = deps.clock.monotonicMs();
    progress.peer = peer;
    if (target.secure) socket = secure(tcp);
    else succeed(tcp);
  };

  const dialProxy = (proxy: EgressProxy, [address = '']: readonly string[]): void => {
    progress.phase = 'proxy';
    const { port } = target;
    const onReached = (): void => void (progress.phase = 'connect');
    socket = openTunnel(proxy, { address, port }, deps.secureContext, onReached, (tunnel) => {
      if (ended) return;
      if (!tunnel.ok) return fail({ kind: 'network', code: tunnel.code });
      tunnel.socket.on('error', onError);
      connected(tunnel.socket, authorityOf(address, port));
    });
  };

  const dial = (addresses: readonly string[]): void => {
    progress.phase = 'connect';
    const tcp = connectTcp({
      host: target.hostname,
      port: target.port,
      noDelay: true,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_AFTER_MS,
      lookup: (_hostname, options, answer) => {
        const [first = ''] = addresses;
        if (options.all)
          answer(
            null,
            addresses.map((address) => ({ address, family: familyOf(address) })),
          );
        else answer(null, first, familyOf(first));
      },
    });
    socket = tcp;
    // Stays for the socket's life: an error after the request's end has nobody else to go to.
    tcp.on('error', onError);
    tcp.once('connect', () => {
      const { remoteAddress, remotePort } = tcp;
      // It was open, and the peer has ended it before anybody looked.
      if (remoteAddress === undefined) return fail({ kind: 'network', code: 'connection_reset' });
      if (!deps.policy.allows(remoteAddress)) return fail({ kind: 'refused', why: 'blocked_address' });
      connected(tcp, authorityOf(remoteAddress, remotePort ?? target.port));
    });
  };

  const secure = (tcp: Socket): TLSSocket => {
    progress.phase = 'tls';
    const session = deps.sessions.get(target.origin);
    const tls = connectTls({
      socket: tcp,
      host: target.hostname,
      servername: target.isAddress ? '' : target.hostname,
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
      // Said here, because NODE_TLS_REJECT_UNAUTHORIZED would decide otherwise.
      rejectUnauthorized: true,
      ...(deps.secureContext === null ? {} : { secureContext: deps.secureContext }),
      ...(session === undefined ? {} : { session }),
    });
    tls.on('error', onError);
    tls.on('session', (fresh: Buffer) => deps.sessions.set(target.origin, fresh));
    tls.once('secureConnect', () => {
      progress.tlsAtMs = deps.clock.monotonicMs();
      succeed(tls);
    });
    tls.once('close', () => onError(null));
    return tls;
  };

  void deps.lookup(target).then((found) => {
    if (ended) return;
    if (!found.ok) return fail(found.result);
    if (!target.isAddress) progress.dnsAtMs = deps.clock.monotonicMs();
    if (deps.proxy === null) dial(found.addresses);
    else dialProxy(deps.proxy, found.addresses);
  });
  return () => {
    if (end()) socket?.destroy();
  };
};

export const createSessionMemory = (capacity: number): SessionMemory => {
  const sessions = new Map<string, Buffer>();
  return {
    get: (origin) => sessions.get(origin),
    set: (origin, session) => {
      sessions.delete(origin);
      sessions.set(origin, session);
      if (sessions.size > capacity) for (const oldest of sessions.keys()) if (sessions.delete(oldest)) break;
    },
  };
};

/** A context that trusts more than the well-known authorities; null when there is nothing more. */
export const trusting = (extraCa: readonly string[]): SecureContext | null =>
  extraCa.length === 0 ? null : createSecureContext({ ca: [...getCACertificates('default'), ...extraCa] });

const familyOf = (address: string): 4 | 6 => (address.includes(':') ? 6 : 4);
