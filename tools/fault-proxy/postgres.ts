// The proxy between a server and its PostgreSQL, which loses what it is told to lose.
import type { Socket } from 'node:net';
import { startProxy, type Proxy } from './proxy.ts';

/**
 * before  The statement is not forwarded: nothing was written.
 * after   PostgreSQL has committed it; the answer is not forwarded.
 */
export type CutMoment = 'before' | 'after';

export type FaultProxy = {
  /** The database's URL, through the proxy. */
  readonly url: string;
  /**
   * Breaks the connection of the next prepared statement whose name begins so. Resolves when that is done.
   * One at a time: a second call replaces the first.
   */
  readonly cut: (statement: string, moment: CutMoment) => Promise<void>;
  /**
   * From now on nothing gets through and nobody is told so, as on a network that lost its route. The returned
   * function ends that: what was on its way is lost and the connections are broken.
   */
  readonly silence: () => () => void;
  /** Breaks all connections and listens no more. */
  readonly close: () => Promise<void>;
};

type Order = { readonly statement: string; readonly moment: CutMoment; readonly done: () => void };

const LENGTH_BYTES = 4;
const TYPE_BYTES = 1;
const IDLE = 'I'.charCodeAt(0);
const DEFAULT_PORT = 5432;

/** Cuts a stream into PostgreSQL's messages (protocol 3.0); the first one of a client has no type. */
const createFraming = (hasStartup: boolean) => {
  let rest: Buffer = Buffer.alloc(0);
  let isStartup = hasStartup;
  return (chunk: Buffer): Buffer[] => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const messages: Buffer[] = [];
    for (;;) {
      const typeBytes = isStartup ? 0 : TYPE_BYTES;
      if (rest.length < typeBytes + LENGTH_BYTES) return messages;
      const end = typeBytes + rest.readUInt32BE(typeBytes);
      if (rest.length < end) return messages;
      messages.push(rest.subarray(0, end));
      rest = rest.subarray(end);
      isStartup = false;
    }
  };
};

const typeOf = (message: Buffer): string => String.fromCharCode(message[0] ?? 0);

/** The prepared statement that a Bind message names; undefined for other messages. */
const boundStatement = (message: Buffer): string | undefined => {
  if (typeOf(message) !== 'B') return undefined;
  const [, statement] = message.toString('latin1', TYPE_BYTES + LENGTH_BYTES).split('\0', 2);
  return statement;
};

/** Stands between two sockets; `take` is asked for each statement whether it is the one to lose. */
const join = (client: Socket, server: Socket, take: (statement: string) => Order | null): void => {
  const fromClient = createFraming(true);
  const fromServer = createFraming(false);
  let losing: Order | null = null;
  let kept: Buffer[] = [];
  const sever = (): void => {
    client.destroy();
    server.destroy();
    losing?.done();
  };
  const forward = (message: Buffer): boolean => {
    const statement = boundStatement(message);
    losing ??= statement === undefined ? null : take(statement);
    if (losing?.moment === 'before') return false;
    server.write(message);
    return true;
  };
  const giveBack = (message: Buffer): boolean => {
    if (losing === null) {
      client.write(message);
      return true;
    }
    kept.push(message);
    if (typeOf(message) !== 'Z') return true;
    // Inside a transaction this is not the answer that tells of the commit yet.
    if (message.at(-1) === IDLE) return false;
    for (const one of kept) client.write(one);
    kept = [];
    return true;
  };
  client.on('data', (chunk) => {
    if (!fromClient(chunk).every(forward)) sever();
  });
  server.on('data', (chunk) => {
    if (!fromServer(chunk).every(giveBack)) sever();
  });
  for (const socket of [client, server]) {
    socket.on('error', () => {});
    socket.setNoDelay(true);
  }
  client.on('close', () => server.destroy());
  server.on('close', () => client.destroy());
};

/** Where the database of a URL listens. */
export const addressOf = (url: string): { readonly host: string; readonly port: number } => {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port || DEFAULT_PORT) };
};

/** The same database, reached through the proxy. */
export const through = (url: string, { host, port }: Pick<Proxy, 'host' | 'port'>): string => {
  const other = new URL(url);
  other.hostname = host;
  other.port = String(port);
  return other.href;
};

/** Starts a proxy in front of the database of `url` (without TLS) on a port of its own. */
export const startFaultProxy = async (url: string): Promise<FaultProxy> => {
  let order: Order | null = null;
  const take = (statement: string): Order | null => {
    if (order === null || !statement.startsWith(order.statement)) return null;
    const taken = order;
    order = null;
    return taken;
  };
  const proxy = await startProxy({
    target: addressOf(url),
    join: (client, server) => join(client, server, take),
  });
  return {
    url: through(url, proxy),
    cut: (statement, moment) =>
      new Promise((done) => {
        order = { statement, moment, done };
      }),
    silence: () => {
      void proxy.set({ way: 'silent' });
      return () => void proxy.set({});
    },
    close: proxy.close,
  };
};
