import { Connection } from './connection.ts';
import type { ConnectDeps } from './connect.ts';
import type { Target } from './url.ts';

export type PoolLimits = {
  readonly maxSockets: number;
  readonly idleSocketsPerOrigin: number;
  readonly keepAliveMs: number;
};

/** Sockets by origin; the youngest idle one is reused, so that the others run out of their time. */
export type Pools = {
  /** A connection for one exchange, or null when all sockets are in use. */
  readonly take: (target: Target) => Connection | null;
  /** After an exchange that ended cleanly. `idleMs`: how long the receiver keeps its side open. */
  readonly giveBack: (connection: Connection, idleMs: number) => void;
  /** After any other: whatever is left on the socket can harm no later exchange. */
  readonly discard: (connection: Connection) => void;
  readonly closeIdle: () => void;
  readonly sizes: () => { readonly sockets: number; readonly idle: number; readonly origins: number };
};

/** Given up this long before the moment that the receiver announced. */
const KEEP_ALIVE_MARGIN_MS = 2_000;

type Origin = { sockets: number; readonly idle: Connection[] };

/**
 * One connection per exchange and none shared: the exchange knows which socket carries it, and
 * finding a free one takes constant time.
 */
export const createPools = (limits: PoolLimits, deps: ConnectDeps): Pools => {
  // Per origin, youngest last. Origins come and go with their sockets: the map is bounded by them.
  const origins = new Map<string, Origin>();
  let sockets = 0;
  let sweeper: NodeJS.Timeout | null = null;

  const open = (target: Target): Connection => {
    const origin = origins.get(target.origin);
    if (origin === undefined) origins.set(target.origin, { sockets: 1, idle: [] });
    else origin.sockets++;
    sockets++;
    return new Connection(target, deps, discard);
  };

  const discard = (connection: Connection): void => {
    if (connection.state === 'gone') return;
    const key = connection.target.origin;
    const origin = origins.get(key);
    if (origin !== undefined) {
      if (connection.state === 'idle') origin.idle.splice(origin.idle.indexOf(connection), 1);
      if (--origin.sockets === 0) origins.delete(key);
    }
    connection.state = 'gone';
    sockets--;
    connection.destroy();
  };

  const discardAnIdle = (): boolean => {
    for (const { idle } of origins.values()) {
      const [oldest] = idle;
      if (oldest === undefined) continue;
      discard(oldest);
      return true;
    }
    return false;
  };

  const sweep = (): void => {
    sweeper = null;
    const nowMs = deps.clock.monotonicMs();
    let isAnyIdle = false;
    for (const { idle } of origins.values()) {
      for (const connection of idle.filter(({ idleUntilMs }) => idleUntilMs <= nowMs)) discard(connection);
      isAnyIdle ||= idle.length > 0;
    }
    if (isAnyIdle) armSweeper();
  };
  const armSweeper = (): void => {
    sweeper ??= setTimeout(sweep, Math.ceil(limits.keepAliveMs / 4)).unref();
  };

  return {
    discard,
    take: (target) => {
      const idle = origins.get(target.origin)?.idle;
      for (let kept = idle?.at(-1); kept !== undefined; kept = idle?.at(-1)) {
        if (kept.idleUntilMs <= deps.clock.monotonicMs()) {
          discard(kept);
          continue;
        }
        idle?.pop();
        kept.state = 'busy';
        return kept;
      }
      if (sockets >= limits.maxSockets && !discardAnIdle()) return null;
      return open(target);
    },
    giveBack: (connection, idleMs) => {
      if (connection.state !== 'busy') return;
      const idle = origins.get(connection.target.origin)?.idle;
      const keptMs = Math.min(limits.keepAliveMs, idleMs - KEEP_ALIVE_MARGIN_MS);
      const isFull = idle === undefined || idle.length >= limits.idleSocketsPerOrigin;
      if (!connection.release() || isFull || keptMs <= 0) return discard(connection);
      connection.state = 'idle';
      connection.idleUntilMs = deps.clock.monotonicMs() + keptMs;
      idle.push(connection);
      armSweeper();
    },
    closeIdle: () => {
      while (discardAnIdle());
      if (sweeper !== null) clearTimeout(sweeper);
    },
    sizes: () => {
      let idle = 0;
      for (const origin of origins.values()) idle += origin.idle.length;
      return { sockets, idle, origins: origins.size };
    },
  };
};
