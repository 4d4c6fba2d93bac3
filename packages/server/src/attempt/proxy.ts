import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';

/** A proxy that the operator named. Never a tenant's choice, and never from `HTTP_PROXY`. */
export type EgressProxy = {
  /** Spoken to over TLS itself. */
  readonly secure: boolean;
  readonly hostname: string;
  readonly port: number;
  /** Value of `proxy-authorization`; null without credentials. */
  readonly authorization: string | null;
};

/** @throws Error that does not repeat the text: it may hold a password. */
export const parseEgressProxy = (text: string): EgressProxy => {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '')
    throw new Error('The egress proxy is not a URL like http://proxy.example:3128.');
  const secure = url.protocol === 'https:';
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return {
    secure,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    authorization: credentials === ':' ? null : `Basic ${Buffer.from(credentials).toString('base64')}`,
  };
};

export type Tunnel =
  | { readonly ok: true; readonly socket: Socket }
  /**
   * `proxy_unreachable`: it does not answer as a proxy. `proxy_refused`: it said no. `proxy_bad_gateway`: it would, but
   * does not get through to the target.
   */
  | { readonly ok: false; readonly code: 'proxy_unreachable' | 'proxy_refused' | 'proxy_bad_gateway' };

const MOST_HEAD_BYTES = 16_384;
const HEAD_END = '\r\n\r\n';

/** As in a URL. */
export const authorityOf = (address: string, port: number): string =>
  `${address.includes(':') ? `[${address}]` : address}:${port}`;

/**
 * Asks a proxy for a tunnel (RFC 9110, section 9.3.6) to an address: a name would be resolved by the
 * proxy, to something else perhaps than what was judged. Calls `done` once, unless the returned socket is
 * destroyed before. Never times out by itself.
 *
 * @param onReached The proxy is there; from now on it is the target that is waited for.
 */
export const openTunnel = (
  proxy: EgressProxy,
  to: { readonly address: string; readonly port: number },
  secureContext: SecureContext | null,
  onReached: () => void,
  done: (tunnel: Tunnel) => void,
): Socket => {
  const where = { host: proxy.hostname, port: proxy.port };
  const socket = proxy.secure
    ? connectTls({
        ...where,
        servername: isIP(proxy.hostname) === 0 ? proxy.hostname : '',
        ALPNProtocols: ['http/1.1'],
        rejectUnauthorized: true,
        ...(secureContext === null ? {} : { secureContext }),
      })
    : connectTcp({ ...where, noDelay: true });
  let head = Buffer.alloc(0);

  const end = (tunnel: Tunnel): void => {
    socket.off('readable', onReadable);
    socket.off('close', onGone);
    socket.off('end', onGone);
    done(tunnel);
  };
  const onGone = (): void => end({ ok: false, code: 'proxy_unreachable' });
  // Read piece by piece and not as a flow: what follows the head belongs to whoever comes after.
  const onReadable = (): void => {
    for (let bytes = socket.read() as Buffer | null; bytes !== null; bytes = socket.read() as Buffer | null) {
      head = Buffer.concat([head, bytes]);
      const at = head.indexOf(HEAD_END);
      if (at < 0 && head.length <= MOST_HEAD_BYTES) continue;
      const status = /^HTTP\/1\.[01] (\d{3})\b/.exec(head.toString('latin1', 0, 16))?.[1];
      if (at < 0 || status === undefined) return onGone();
      // Proxies say so with any of these: 500 (tinyproxy), 502, 503 (squid), 504.
      if (status.startsWith('5')) return end({ ok: false, code: 'proxy_bad_gateway' });
      if (!status.startsWith('2')) return end({ ok: false, code: 'proxy_refused' });
      const rest = head.subarray(at + HEAD_END.length);
      if (rest.length > 0) socket.unshift(rest);
      return end({ ok: true, socket });
    }
  };
  // An error is followed by `close`. The listener stays for the socket's life.
  socket.on('error', () => {});
  socket.once('close', onGone);
  socket.once('end', onGone);
  socket.on('readable', onReadable);
  socket.once(proxy.secure ? 'secureConnect' : 'connect', () => {
    onReached();
    const authority = authorityOf(to.address, to.port);
    const authorization =
      proxy.authorization === null ? '' : `proxy-authorization: ${proxy.authorization}\r\n`;
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${authorization}\r\n`);
  });
  return socket;
};
