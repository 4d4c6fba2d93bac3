import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

/** One request as it stood on the wire. */
export type RawRequest = { readonly head: string; readonly body: Buffer };

export type Behaviour = {
  /** Called for each connection. */
  readonly onConnection?: (socket: Socket) => void;
  /** Called for each complete request. */
  readonly onRequest?: (socket: Socket, request: RawRequest, index: number) => void;
  readonly tls?: TlsOptions;
};

/** A server that may do on its sockets whatever it likes. */
export type Host = {
  readonly address: string;
  readonly port: number;
  /** Connections accepted so far. */
  readonly connections: () => number;
  readonly requests: RawRequest[];
  /** Resolves when the last open connection has closed. */
  readonly allClosed: () => Promise<void>;
  readonly close: () => Promise<void>;
};

export const openHost = async (
  { onConnection, onRequest, tls }: Behaviour,
  place: { readonly address?: string; readonly port?: number } = {},
): Promise<Host> => {
  const address = place.address ?? '127.0.0.1';
  const open = new Set<Socket>();
  const requests: RawRequest[] = [];
  let connections = 0;
  let onClosed: (() => void) | null = null;
  const accept = (socket: Socket): void => {
    connections++;
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      open.delete(socket);
      if (open.size === 0) onClosed?.();
    });
    if (onRequest !== undefined)
      readRequests(socket, (request) => onRequest(socket, request, requests.push(request) - 1));
    onConnection?.(socket);
  };
  const server: Server = tls === undefined ? createServer(accept) : createTlsServer(tls, accept);
  server.on('tlsClientError', () => {});
  server.listen(place.port ?? 0, address, 4_096);
  await once(server, 'listening');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no port');
  return {
    address,
    port: bound.port,
    connections: () => connections,
    requests,
    allClosed: () =>
      open.size === 0 ? Promise.resolve() : new Promise((resolve) => void (onClosed = resolve)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
};

const readRequests = (socket: Socket, onRequest: (request: RawRequest) => void): void => {
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const end = pending.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = pending.subarray(0, end).toString('latin1');
      const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
      if (pending.length < end + 4 + length) return;
      const body = Buffer.from(pending.subarray(end + 4, end + 4 + length));
      pending = pending.subarray(end + 4 + length);
      onRequest({ head, body });
    }
  });
};

/** Writes the same bytes to every request. */
export const answering = (response: string | Buffer): Behaviour => ({
  onRequest: (socket) =>
    socket.write(typeof response === 'string' ? Buffer.from(response, 'latin1') : response),
});

/** The same, and then the end of the connection. */
export const closing = (response: string): Behaviour => ({
  onRequest: (socket) => socket.end(Buffer.from(response, 'latin1')),
});

/** A whole answer. Characters are bytes. */
export const http = (status: string, headers = 'content-length: 0', body = ''): string =>
  `HTTP/1.1 ${status}\r\n${headers}\r\n\r\n${body}`;

export const ok = http('200 OK', 'content-length: 2', 'ok');

/** Writes a part again and again until the socket is gone. */
export const endlessly = (head: string, part: string, everyMs: number): Behaviour => ({
  onRequest: (socket) => {
    socket.write(head);
    const write = (): void => void (socket.destroyed || (socket.write(part), timer.refresh()));
    const timer = setTimeout(write, everyMs);
    socket.on('close', () => clearTimeout(timer));
  },
});

/** The same, as fast as the socket takes it. */
export const flood = (head: string, part: string | Buffer): Behaviour => ({
  onRequest: (socket) => {
    const bytes = typeof part === 'string' ? Buffer.from(part, 'latin1') : part;
    const pump = (): void => {
      while (!socket.destroyed && socket.write(bytes));
    };
    socket.on('drain', pump);
    socket.write(Buffer.from(head, 'latin1'));
    pump();
  },
});
