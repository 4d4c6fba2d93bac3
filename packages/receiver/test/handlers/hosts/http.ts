import { Agent, request as open, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Send } from '../contract.ts';

/** Sends over a socket, every header as it is given. */
export const overHttp = (port: () => number): Send => {
  // A connection that is kept shows what is left over of the request before.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return ({ method, path, headers, body }) =>
    new Promise((resolve, reject) => {
      const length = method === 'POST' ? { 'content-length': body.length } : {};
      const sent = open(
        { agent, host: '127.0.0.1', port: port(), method, path, headers: { ...headers, ...length } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: Object.fromEntries(
                Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
              ),
              body: Buffer.concat(chunks).toString(),
            }),
          );
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
};

/** Listens on a loopback port that the system picks. */
export const listen = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });

export const close = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
