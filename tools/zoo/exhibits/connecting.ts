import { openBlackhole } from '../blackhole.ts';
import { makeAuthority } from '../authority.ts';
import { at, type Exhibit, opened, type Opened } from '../exhibit.ts';
import { answering, type Behaviour, flood, ok, openHost } from '../host.ts';

const nobody: Omit<Opened, 'url'> = {
  connections: () => 0,
  requests: () => 0,
  trapped: () => 0,
  allClosed: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

/** An https server whose certificate is its own affair. */
const withTls =
  (tls: (place: Parameters<Exhibit['open']>[0]) => Behaviour['tls'] & object, behaviour = answering(ok)) =>
  async (place: Parameters<Exhibit['open']>[0]): Promise<Opened> => {
    const host = await openHost({ ...behaviour, tls: tls(place) });
    return opened(host, `https://${host.address}:${host.port}/webhooks`);
  };

const DAY_MS = 86_400_000;

/** HTTP/2 frames (RFC 9113, 4.1): length, type, flags, stream. */
const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from([0, payload.length >> 8, payload.length & 255, type, flags, 0, 0, 0, stream]),
    payload,
  ]);
const SETTINGS = frame(4, 0, 0, Buffer.alloc(0)).toString('latin1');

export const connecting: readonly Exhibit[] = [
  {
    kind: 1,
    name: 'syn-blackhole',
    does: 'never answers a SYN',
    expect: 'a connect timeout of a few seconds, not the system’s two minutes',
    open: async () => {
      const hole = await openBlackhole();
      return { ...nobody, url: `http://127.0.0.1:${hole.port}/webhooks`, close: hole.close };
    },
  },
  {
    kind: 2,
    name: 'refused',
    does: 'nothing listens on the port',
    expect: 'a failed attempt: connection refused',
    // No other exhibit is on this address, whatever port it takes.
    open: () => Promise.resolve({ ...nobody, url: 'http://127.0.0.77:8099/webhooks' }),
  },
  {
    kind: 2,
    name: 'reset-on-accept',
    does: 'resets every connection that it accepts',
    expect: 'a failed attempt: connection reset',
    open: at({ onConnection: (socket) => socket.resetAndDestroy() }),
  },
  {
    kind: 4,
    name: 'no-handshake',
    does: 'accepts on an https port and says nothing',
    expect: 'the connect timeout covers the handshake',
    open: at({}, 'https'),
  },
  {
    kind: 4,
    name: 'handshake-cut',
    does: 'closes an https connection before the handshake',
    expect: 'a failed attempt: TLS closed',
    open: at({ onConnection: (socket) => socket.destroy() }, 'https'),
  },
  {
    kind: 45,
    name: 'tls-self-signed',
    does: 'shows a certificate that it signed itself',
    expect: 'a failed attempt that says so; nothing is sent',
    open: withTls(({ authority }) => authority.leaf({ selfSigned: true })),
  },
  {
    kind: 45,
    name: 'tls-unknown-authority',
    does: 'shows a certificate of an authority that nobody knows',
    expect: 'a failed attempt that says so; nothing is sent',
    open: withTls(() => makeAuthority('An authority that nobody knows', Date.now()).leaf()),
  },
  {
    kind: 45,
    name: 'tls-wrong-host',
    does: 'shows a certificate for another name',
    expect: 'a failed attempt that says so; nothing is sent',
    open: withTls(({ authority }) => authority.leaf({ hosts: ['other.example'] })),
  },
  {
    kind: 45,
    name: 'tls-expired',
    does: 'shows a certificate that ended yesterday',
    expect: 'a failed attempt that says so; nothing is sent',
    open: withTls(({ authority }) =>
      authority.leaf({ fromMs: Date.now() - 30 * DAY_MS, untilMs: Date.now() - DAY_MS }),
    ),
  },
  {
    kind: 45,
    name: 'tls-not-yet-valid',
    does: 'shows a certificate that begins tomorrow',
    expect: 'a failed attempt that says so; nothing is sent',
    open: withTls(({ authority }) => authority.leaf({ fromMs: Date.now() + DAY_MS })),
  },
  {
    kind: 45,
    name: 'tls-1.1',
    does: 'speaks TLS 1.0 and 1.1 only',
    expect: 'a failed attempt: the version',
    open: withTls(({ authority }) => ({
      ...authority.leaf(),
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    })),
  },
  {
    kind: 46,
    name: 'https-on-a-http-port',
    does: 'speaks http on a port that is called by https',
    expect: 'a failed attempt: no TLS there',
    open: at({ onConnection: (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n') }, 'https'),
  },
  {
    kind: 46,
    name: 'http-on-a-https-port',
    does: 'speaks https on a port that is called by http',
    expect: 'a failed attempt, whatever bytes come back',
    open: async ({ authority }) => {
      const host = await openHost({ ...answering(ok), tls: authority.leaf() });
      return opened(host, `http://${host.address}:${host.port}/webhooks`);
    },
  },
  {
    kind: 47,
    name: 'h2-only',
    does: 'takes no other protocol than h2 in the handshake',
    expect: 'a failed attempt; a sender without HTTP/2 does not offer it',
    open: withTls(({ authority }) => ({ ...authority.leaf(), ALPNProtocols: ['h2'] })),
  },
  ...(
    [
      ['goaway', 'says GOAWAY', frame(7, 0, 0, Buffer.alloc(8))],
      ['rst-flood', 'resets streams without end', frame(3, 0, 1, Buffer.alloc(4))],
      ['continuation-flood', 'continues headers without end', frame(9, 0, 1, Buffer.alloc(1_024))],
    ] as const
  ).map(([what, does, bytes]): Exhibit => ({
    kind: 47,
    name: `h2-${what}`,
    does: `speaks HTTP/2 though HTTP/1.1 was agreed on, and ${does}`,
    expect: 'a failed attempt at the first frame',
    open: withTls(({ authority }) => authority.leaf(), flood(SETTINGS, bytes)),
  })),
];
