import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type { Dispatcher } from './dispatch/contract.ts';
import type { Logger } from './observe/log.ts';
import { callKeys, readNews } from './peers/call.ts';
import { splitAddress } from './peers/caller.ts';
import { listenForPeers } from './peers/listener.ts';
import { createPeers, type Peers } from './peers/peers.ts';
import { createPeerStore } from './store/peers.ts';
import type { Database } from './store/postgres.ts';

export type Peering = {
  /** See Peers. */
  readonly tell: Peers['tell'];
  readonly start: () => void;
  readonly stop: () => Promise<void>;
};

export type PeeringResult =
  | { readonly kind: 'ready'; readonly peering: Peering }
  | { readonly kind: 'failed'; readonly name: string; readonly problem: string };

/** The workers of one pool reach each other without being told how. */
const WITHIN_POOL = '127.0.0.1';

const withPort = (address: string): string => (/:\d+$/.test(address) ? address : `${address}:0`);

const problemOf = (address: string, code: string, message: string): string => {
  switch (code) {
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `is ${address}, which is no address of this machine; give the one by which the other nodes reach it`;
    case 'EADDRINUSE':
      return `is ${address}, which another program listens on; choose another port, or give none (the workers of a pool cannot share one)`;
    default:
      return `is ${address}, which cannot be listened on: ${message}`;
  }
};

/** Opens this node to the calls of others, if it is told by what address, and gets it ready to call them. */
export const openPeering = async (deps: {
  readonly config: Pick<Config, 'advertise'>;
  readonly node: string;
  readonly isInPool: boolean;
  readonly database: Database;
  readonly mainSecrets: readonly string[];
  readonly dispatcher: Pick<Dispatcher, 'wake' | 'unfold'>;
  readonly clock: Clock;
  readonly log: Logger;
}): Promise<PeeringResult> => {
  const { node, dispatcher, clock, log } = deps;
  const keys = callKeys(deps.mainSecrets);
  const wanted = deps.config.advertise ?? (deps.isInPool ? WITHIN_POOL : null);
  const hear = (news: string): void => {
    const { id, line } = readNews(news);
    if (id.startsWith('app_')) dispatcher.unfold();
    else dispatcher.wake(id, clock.nowMs(), line);
  };
  const open = async (address: string) => {
    const [host, port] = splitAddress(withPort(address));
    if (port > 65_535) return { kind: 'failed', code: 'bad_port', message: 'ports end at 65535' } as const;
    const result = await listenForPeers({
      host,
      port,
      me: node,
      keys,
      onCall: (lines) => lines.forEach(hear),
    });
    if (result.kind === 'failed') return result;
    const { listener } = result;
    return { ...result, address: `${host.includes(':') ? `[${host}]` : host}:${listener.port}` };
  };
  const opened = wanted === null ? null : await open(wanted);
  if (opened?.kind === 'failed') {
    return {
      kind: 'failed',
      name: 'POSTHORN_ADVERTISE',
      problem: problemOf(wanted ?? '', opened.code, opened.message),
    };
  }
  const peers = createPeers({
    node,
    store: createPeerStore(deps.database),
    address: opened?.address ?? null,
    key: keys[0]!,
    timers: { setTimeout: (run, delayMs) => setTimeout(run, delayMs).unref() },
    onTrouble: (address, problem) => {
      if (problem === null) log.info({ peer: address }, 'another node is told of its work again');
      else
        log.warn(
          { peer: address, problem },
          'another node cannot be told of its work; it finds it a little later by itself',
        );
    },
    onError: (error) => log.warn({ error: String(error) }, 'the other nodes could not be looked up'),
  });
  return {
    kind: 'ready',
    peering: {
      tell: peers.tell,
      start: peers.start,
      stop: async () => {
        await Promise.all([peers.stop(), opened?.listener.close()]);
      },
    },
  };
};
