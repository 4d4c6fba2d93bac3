import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openCall } from './call.ts';

export type PeerListener = {
  readonly port: number;
  readonly close: () => Promise<void>;
};

export type PeerListenerResult =
  | { readonly kind: 'listening'; readonly listener: PeerListener }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

const MAX_BYTES = 1024 * 1024;
const TIMEOUT_MS = 5_000;

const readBody = async (incoming: IncomingMessage): Promise<string | null> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

/**
 * Hears the calls of other nodes; whoever has not the deployment's main secret is answered 401 and not heard.
 *
 * @param port 0: any free one.
 */
export const listenForPeers = async (deps: {
  readonly host: string;
  readonly port: number;
  readonly me: string;
  readonly keys: readonly Uint8Array[];
  readonly onCall: (ids: readonly string[]) => void;
}): Promise<PeerListenerResult> => {
  const hear = async (incoming: IncomingMessage): Promise<[status: number, why: string]> => {
    const body = await readBody(incoming);
    if (body === null) return [413, `A call has at most ${MAX_BYTES} bytes.`];
    const mac = (incoming.headers.authorization ?? '').replace(/^Posthorn /, '');
    const ids = openCall(deps.keys, deps.me, { body, mac });
    if (ids === null)
      return [
        401,
        'The call is not by a node of this deployment, or not for this one: POSTHORN_MAIN_SECRET differs.',
      ];
    deps.onCall(ids);
    return [204, ''];
  };
  const server = createServer(
    { headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS, keepAliveTimeout: 60_000 },
    (incoming: IncomingMessage, response: ServerResponse) => {
      hear(incoming).then(
        ([status, why]) => {
          if (status === 413) response.setHeader('connection', 'close');
          response.writeHead(status, status === 204 ? {} : { 'content-type': 'text/plain' }).end(why);
        },
        // The caller has gone.
        () => response.destroy(),
      );
    },
  );
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve({ kind: 'failed', code: error.code ?? 'listen_failed', message: error.message }),
    );
    // Exclusive: the workers of a pool share what they listen on otherwise.
    server.listen({ host: deps.host, port: deps.port, exclusive: true }, () =>
      resolve({
        kind: 'listening',
        listener: {
          port: (server.address() as AddressInfo).port,
          close: () =>
            new Promise((closed) => {
              server.close(() => closed());
              server.closeAllConnections();
            }),
        },
      }),
    );
  });
};
