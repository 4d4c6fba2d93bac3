import type { IncomingMessage, Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Duplex } from 'node:stream';

/** Headers that belong to the wish for another protocol (RFC 9110 7.8, RFC 7540 3.2). */
const OF_THE_WISH = new Set(['upgrade', 'http2-settings', 'connection']);

/** The request's head as it came, without the wish. */
const headWithout = (request: IncomingMessage): string => {
  const { method, url, httpVersion, rawHeaders } = request;
  const lines = [`${method ?? 'GET'} ${url ?? '/'} HTTP/${httpVersion}`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (!OF_THE_WISH.has(name.toLowerCase())) lines.push(`${name}: ${rawHeaders[index + 1]!}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
};

/**
 * Serves a request as if it had not asked for another protocol, which RFC 9110 allows and clients that
 * try HTTP/2 on every connection (`Upgrade: h2c`) count on. Node has taken its parser off the socket by
 * then and has no way back, so the bytes are put back and the connection begins anew.
 */
export const declineUpgrade = (
  server: Server | TlsServer,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void => {
  socket.unshift(Buffer.concat([Buffer.from(headWithout(request), 'latin1'), head]));
  server.emit('encrypted' in socket ? 'secureConnection' : 'connection', socket);
};
