import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How long clients may take, and what they may hold. Milliseconds, bytes. */
export type ClientLimits = {
  /** From the connection, or the last answer's next byte, to the end of the headers. */
  readonly headersMs: number;
  /** The whole request. */
  readonly requestMs: number;
  /** Between two requests. A client in a hurry reuses its connection for longer than most pools keep it. */
  readonly keepAliveMs: number;
  /** Without a single byte moving, while a request is answered. */
  readonly stallMs: number;
  /** How often all of this is looked at. */
  readonly checkMs: number;
  /** Beyond so many connections those that wait between two requests are closed. */
  readonly mostConnections: number;
  /** Requests on one connection that wait for the answers to earlier ones; beyond it the connection is cut. */
  readonly mostPipelined: number;
  /** Of answers that nobody reads, all connections together; beyond it the largest are cut. */
  readonly mostUnreadBytes: number;
};

export const clientLimits: ClientLimits = {
  headersMs: 10_000,
  requestMs: 30_000,
  keepAliveMs: 72_000,
  stallMs: 60_000,
  checkMs: 5_000,
  mostConnections: 8_192,
  mostPipelined: 128,
  mostUnreadBytes: 256 * 1024 * 1024,
};

/**
 * Bounds what clients can hold of a server by doing little: Node itself has no limit for answers that
 * nobody reads, nor for the number of connections. Looked at by connection, so that a request costs nothing.
 */
export const boundClients = (server: Server, limits: ClientLimits): void => {
  const sockets = new Set<Socket>();
  // Counts as moving while what was written goes out, however slowly; `timeout` destroys the socket.
  server.setTimeout(limits.stallMs);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const look = (): void => {
    if (sockets.size > limits.mostConnections) server.closeIdleConnections();
    const unread = [...sockets].filter(({ writableLength }) => writableLength > 0);
    let bytes = unread.reduce((sum, { writableLength }) => sum + writableLength, 0);
    if (bytes <= limits.mostUnreadBytes) return;
    for (const socket of unread.toSorted((a, b) => b.writableLength - a.writableLength)) {
      if (bytes <= limits.mostUnreadBytes) return;
      bytes -= socket.writableLength;
      socket.destroy();
    }
  };
  const timer = setInterval(look, limits.checkMs).unref();
  server.once('close', () => clearInterval(timer));
};

/**
 * Requests that come before the answers to earlier ones are parsed all at once, thousands in a few
 * milliseconds, and everybody else waits meanwhile. Asked only about those, so that others cost nothing.
 */
export const boundPipelines = (
  limits: Pick<ClientLimits, 'mostPipelined'>,
): ((socket: Socket, response: ServerResponse) => boolean) => {
  const waiting = new WeakMap<Socket, number>();
  return (socket, response) => {
    const count = (waiting.get(socket) ?? 0) + 1;
    if (count > limits.mostPipelined) socket.destroy();
    if (socket.destroyed) return false;
    waiting.set(socket, count);
    response.once('close', () => waiting.set(socket, (waiting.get(socket) ?? 1) - 1));
    return true;
  };
};
