// A TCP proxy whose wire can be made worse while it is in use.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createGate, slice, type Toxics } from './toxics.ts';

export type Address = { readonly host: string; readonly port: number };

export type ProxyOptions = {
  readonly target: Address;
  /** Default: a free port on loopback. */
  readonly listen?: Address;
  /** In [0, 1); decides the jitter. */
  readonly random?: () => number;
  /** Joins the two ends of a connection in place of the wire with toxics: for what speaks a protocol. */
  readonly join?: (client: Socket, server: Socket) => void;
};

export type Proxy = {
  readonly host: string;
  /** Stays the same while nobody listens. */
  readonly port: number;
  readonly toxics: () => Toxics;
  /** From now on the wire behaves so, also for connections that are open. Resolves when it does. */
  readonly set: (toxics: Toxics) => Promise<void>;
  /** New connections go there; those that are open are reset. */
  readonly retarget: (target: Address) => void;
  /** Breaks every connection; what was on its way is lost. */
  readonly reset: () => void;
  readonly counts: () => { readonly open: number; readonly accepted: number; readonly bytes: number };
  readonly close: () => Promise<void>;
};

/** What may wait on the wire of one direction before its sender is held up. */
const MOST_WAITING = 1024 * 1024;

export const startProxy = async (options: ProxyOptions): Promise<Proxy> => {
  const { random = Math.random } = options;
  let { target } = options;
  let toxics: Toxics = {};
  let server: Server | null = null;
  let accepted = 0;
  let bytes = 0;
  const sockets = new Set<Socket>();

  const carry = (from: Socket, to: Socket, spend: (count: number) => boolean): void => {
    const gate = createGate(() => toxics, random);
    const queue: { readonly piece: Buffer; readonly atMs: number }[] = [];
    let waiting = 0;
    const goOn = (): void => {
      if (toxics.way !== 'silent' && waiting <= MOST_WAITING) from.resume();
    };
    const arrive = (piece: Buffer): void => {
      bytes += piece.length;
      if (!spend(piece.length)) {
        for (const socket of [from, to]) socket.resetAndDestroy();
      } else if (!to.write(piece)) {
        from.pause();
        to.once('drain', goOn);
      }
    };
    const release = (): void => {
      for (let next = queue[0]; next !== undefined && !to.destroyed; next = queue[0]) {
        const waitMs = next.atMs - performance.now();
        if (waitMs > 0) return void setTimeout(release, Math.ceil(waitMs));
        queue.shift();
        waiting -= next.piece.length;
        arrive(next.piece);
      }
      goOn();
    };
    from.on('data', (chunk: Buffer) => {
      const isWaiting = queue.length > 0;
      for (const piece of slice(chunk, toxics)) {
        queue.push({ piece, atMs: gate(piece.length, performance.now()) });
        waiting += piece.length;
      }
      if (waiting > MOST_WAITING) from.pause();
      if (!isWaiting) release();
    });
  };

  const wire = (client: Socket, upstream: Socket): void => {
    let carried = 0;
    const spend = (count: number): boolean => (carried += count) <= (toxics.limitBytes ?? Infinity);
    carry(client, upstream, spend);
    carry(upstream, client, spend);
    for (const socket of [client, upstream]) {
      socket.on('error', () => {});
      socket.setNoDelay(true);
    }
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  };

  const reset = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };

  const listen = async ({ host, port }: Address): Promise<Server> => {
    const listening = createServer((client) => {
      const upstream = connect(target);
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
      }
      accepted++;
      (options.join ?? wire)(client, upstream);
      if (toxics.way === 'silent') for (const socket of [client, upstream]) socket.pause();
    });
    listening.listen(port, host);
    await once(listening, 'listening');
    return listening;
  };

  const refuse = async (): Promise<void> => {
    const closing = server;
    server = null;
    closing?.close();
    reset();
    if (closing !== null) await once(closing, 'close');
  };

  server = await listen(options.listen ?? { host: '127.0.0.1', port: 0 });
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('The proxy has no address');
  const place: Address = { host: address.address, port: address.port };
  return {
    ...place,
    toxics: () => toxics,
    set: async (next) => {
      const before = toxics.way ?? 'through';
      toxics = next;
      const way = next.way ?? 'through';
      if (way === 'refused') await refuse();
      else server ??= await listen(place);
      if (way === 'silent') for (const socket of sockets) socket.pause();
      // What was on its way is lost: nobody knows what had arrived.
      else if (before === 'silent') reset();
    },
    retarget: (next) => {
      target = next;
      reset();
    },
    reset,
    counts: () => ({ open: sockets.size / 2, accepted, bytes }),
    close: refuse,
  };
};
