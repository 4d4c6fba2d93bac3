import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getRequestListener, RequestError } from '@hono/node-server';
import type { Duplex } from 'node:stream';
import { boundClients, boundPipelines, type ClientLimits, clientLimits } from './clients.ts';
import { declineUpgrade } from './decline-upgrade.ts';
import {
  badRequest,
  errorOfParser,
  errorResponse,
  expectationFailed,
  internalError,
  noTunnel,
  refuseRequest,
  refuseSocket,
} from './http-errors.ts';

/** Takes a request and says true, or leaves it to the next. May take its time, but never rejects. */
export type Route = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

export type ListenOptions = {
  /** `host:port`; port 0 takes any free one. IPv6 hosts in brackets. */
  readonly listen: string;
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /** In order, before `fetch` gets what nobody took. */
  readonly routes: readonly Route[];
  readonly fetch: (request: Request) => Promise<Response>;
  /** @default {@link clientLimits} */
  readonly clients?: ClientLimits;
  /** Takes a WebSocket's handshake and says true; others are answered like any request. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;
};

export type Listening = {
  readonly host: string;
  readonly port: number;
  /**
   * Takes no new connections and closes idle ones; each of the others is closed after its next answer.
   * Resolves when all are.
   */
  readonly close: () => Promise<void>;
  /** Cuts what is still open. */
  readonly destroy: () => void;
};

export type ListenResult =
  | { readonly kind: 'listening'; readonly server: Listening }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

const parseListen = (listen: string): { host: string; port: number } | null => {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(listen);
  if (match === null || Number(match[3]) > 65_535) return null;
  return { host: match[1] ?? match[2] ?? '', port: Number(match[3]) };
};

/** The path of a request target; null where it has none. Absolute URLs are for proxies, but must be taken. */
const pathOf = (target: string): string | null => {
  if (target.startsWith('/')) return target;
  const url = /^https?:/i.test(target) ? URL.parse(target) : null;
  return url === null ? null : url.pathname + url.search;
};

/** Serves HTTP/1.1. Expected failures (address in use, not allowed, unusable) are values. */
export const listen = async (options: ListenOptions): Promise<ListenResult> => {
  const address = parseListen(options.listen);
  if (address === null) {
    return {
      kind: 'failed',
      code: 'bad_address',
      message: `"${options.listen}" is no address; write host:port, such as 127.0.0.1:8071`,
    };
  }
  const fallback = getRequestListener(options.fetch, {
    overrideGlobalObjects: false,
    // HTTP/1.0 need not say which.
    hostname: 'localhost',
    errorHandler: (error) => errorResponse(error instanceof RequestError ? badRequest : internalError),
  });
  let isClosing = false;
  const limits = options.clients ?? clientLimits;
  const mayWait = boundPipelines(limits);
  const offer = (request: IncomingMessage, response: ServerResponse, from: number): void => {
    for (let index = from; index < options.routes.length; index++) {
      const isTaken = options.routes[index]!(request, response);
      if (isTaken === true) return;
      if (isTaken === false) continue;
      void isTaken.then((isLate) => (isLate ? undefined : offer(request, response, index + 1)));
      return;
    }
    void fallback(request, response);
  };
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    // It has no socket yet while an earlier answer is on its way.
    if (response.socket === null && !mayWait(request.socket, response)) return;
    if (isClosing) response.setHeader('connection', 'close');
    const path = pathOf(request.url ?? '');
    if (path === null || (request.headers.host === undefined && request.httpVersion !== '1.0')) {
      return refuseRequest(response, badRequest);
    }
    request.url = path;
    offer(request, response, 0);
  };
  const settings = {
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: limits.checkMs,
    // Refused below, in JSON as everything else.
    requireHostHeader: false,
  };
  const server: Server =
    options.tls === null
      ? createHttpServer(settings, handle)
      : createHttpsServer({ ...settings, ...options.tls }, handle);
  boundClients(server, limits);
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    refuseSocket(socket, errorOfParser(error.code));
  });
  server.on('checkExpectation', (_, response: ServerResponse) => refuseRequest(response, expectationFailed));
  server.on('connect', (_, socket) => {
    // Nobody else listens for its errors any more.
    socket.on('error', () => socket.destroy());
    refuseSocket(socket, noTunnel);
  });
  const { upgrade } = options;
  if (upgrade !== undefined) {
    server.on('upgrade', (request, socket, head) => {
      const isWebSocket = request.headers.upgrade?.toLowerCase() === 'websocket';
      if (!isWebSocket || !upgrade(request, socket, head)) declineUpgrade(server, request, socket, head);
    });
  }
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      resolve({ kind: 'failed', code: error.code ?? 'listen_failed', message: error.message });
    });
    server.listen(
      { port: address.port, host: address.host === '' ? undefined : address.host, backlog: 1024 },
      () => {
        resolve({
          kind: 'listening',
          server: {
            host: address.host,
            port: (server.address() as AddressInfo).port,
            close: () =>
              new Promise((closed) => {
                isClosing = true;
                server.close(() => closed());
                server.closeIdleConnections();
              }),
            destroy: () => server.closeAllConnections(),
          },
        });
      },
    );
  });
};
