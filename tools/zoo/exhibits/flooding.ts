import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { at, type Exhibit, opened } from '../exhibit.ts';
import { answering, endlessly, flood, http, ok, openHost } from '../host.ts';

const DRIP_MS = 20;
const HINT = 'HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n';
const BOMB_BYTES = 64 * 1024 * 1024;

/** Sixty-four megabytes of nothing in a few kilobytes; made when somebody comes. */
const bomb =
  (encoding: string, compress: (bytes: Buffer) => Buffer): Exhibit['open'] =>
  async () => {
    const body = compress(Buffer.alloc(BOMB_BYTES));
    const head = http('200 OK', `content-encoding: ${encoding}\r\ncontent-length: ${body.length}`);
    return at(answering(Buffer.concat([Buffer.from(head), body])))({} as never);
  };

export const flooding: readonly Exhibit[] = [
  {
    kind: 3,
    name: 'silence',
    does: 'accepts, reads the request and never answers',
    expect: 'a timeout that is told apart from one of connecting',
    open: at({ onRequest: () => {} }),
  },
  {
    kind: 10,
    name: 'header-drip',
    does: 'sends its headers byte by byte',
    expect: 'the deadline is for the whole, not from byte to byte',
    open: at(endlessly('HTTP/1.1 200 OK\r\nx: ', 'y', DRIP_MS)),
  },
  {
    kind: 11,
    name: 'body-drip',
    does: 'answers 200 at once and sends its body byte by byte',
    expect: 'delivered: the status had come in time. The body is noted as cut',
    open: at(endlessly(http('200 OK', 'content-length: 999999'), 'y', DRIP_MS)),
  },
  {
    kind: 11,
    name: 'failure-drip',
    does: 'answers 503 with Retry-After, and drips the body',
    expect: 'a failed attempt with its status and Retry-After',
    open: at(endlessly(http('503 Busy', 'retry-after: 7'), 'y', DRIP_MS)),
  },
  {
    kind: 12,
    name: 'endless-body',
    does: 'answers 200 and sends its body for ever, as fast as it is read',
    expect: 'delivered; read on to a limit, then the connection is given up',
    open: at(flood(http('200 OK', 'content-type: text/plain'), Buffer.alloc(65_536, 'x'))),
  },
  {
    kind: 12,
    name: 'endless-failure',
    does: 'answers 500 in chunks without end',
    expect: 'a failed attempt; the first kilobytes are kept',
    open: at(flood(http('500 No', 'transfer-encoding: chunked'), `8000\r\n${'x'.repeat(32_768)}\r\n`)),
  },
  {
    kind: 13,
    name: 'gzip-bomb',
    does: 'answers 200 with 64 kB of gzip that are 64 MB',
    expect: 'delivered; nothing is decompressed',
    open: bomb('gzip', (bytes) => gzipSync(bytes)),
  },
  {
    kind: 13,
    name: 'brotli-bomb',
    does: 'answers 200 with a few kilobytes of brotli that are 64 MB',
    expect: 'delivered; nothing is decompressed',
    open: bomb('br', (bytes) =>
      brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
    ),
  },
  {
    kind: 14,
    name: 'compressed-unasked',
    does: 'answers 200 with gzip though identity was asked for, and not even valid gzip',
    expect: 'delivered; the bytes are kept as they came',
    open: at(answering(http('200 OK', 'content-encoding: gzip\r\ncontent-length: 4', '\x1f\x8b\x08\xff'))),
  },
  {
    kind: 15,
    name: 'hints-flood',
    does: 'sends 103 a hundred thousand times, then 200',
    expect: 'given up after a few',
    open: at(answering(Buffer.from(HINT.repeat(100_000) + ok))),
  },
  {
    kind: 15,
    name: 'hints-endless',
    does: 'sends 103 for ever',
    expect: 'given up after a few: no timer between two reads would ever end it',
    open: at(flood('', HINT.repeat(100))),
  },
  {
    kind: 18,
    name: 'header-of-64-kb',
    does: 'sends one header of 64 kB',
    expect: 'a failed attempt: headers too large',
    open: at(answering(http('200 OK', `x-large: ${'x'.repeat(65_536)}`))),
  },
  {
    kind: 18,
    name: 'headers-3000',
    does: 'sends 3,000 headers',
    expect: 'a failed attempt: headers too large',
    open: at(
      answering(http('200 OK', Array.from({ length: 3_000 }, (_, one) => `x-${one}: y`).join('\r\n'))),
    ),
  },
  {
    kind: 18,
    name: 'headers-endless',
    does: 'sends headers for ever',
    expect: 'a failed attempt: headers too large',
    open: at(flood('HTTP/1.1 200 OK\r\n', 'x-more: and more\r\n'.repeat(100))),
  },
  {
    kind: 12,
    name: 'trailers-endless',
    does: 'ends its chunks and sends trailers for ever',
    expect: 'delivered; the trailers are cut',
    open: at(
      flood(http('200 OK', 'transfer-encoding: chunked', '0\r\n'), 'x-more: and more\r\n'.repeat(100)),
    ),
  },
  ...([200, 413] as const).flatMap((status) =>
    (['fin', 'rst'] as const).map((end): Exhibit => ({
      kind: 33,
      name: `early-${status}-${end}`,
      does: `answers ${status} at the first byte of 8 MB, then ${end === 'fin' ? 'closes' : 'resets'} the connection`,
      expect: 'its status counts, not the broken pipe',
      send: { bytes: 8_000_000 },
      open: at({
        onConnection: (socket) =>
          socket.once('data', () => {
            const answer = http(`${status} Early`, 'content-length: 0\r\nconnection: close');
            if (end === 'fin') socket.end(answer);
            else socket.write(answer, () => setTimeout(() => socket.resetAndDestroy(), 100));
          }),
      }),
    })),
  ),
  {
    kind: 34,
    name: 'zero-window',
    does: 'accepts and never reads: the window closes on 16 MB',
    expect: 'the time of sending is part of the deadline',
    send: { bytes: 16_000_000 },
    open: at({ onConnection: (socket) => void socket.pause() }),
  },
  {
    kind: 51,
    name: 'tarpit',
    does: 'answers 200 just before the sender’s deadline, each time',
    expect: 'delivered; takes no more than its own share of the sender’s sockets',
    open: async ({ tarpitMs }) => {
      const host = await openHost({
        onRequest: (socket) => void setTimeout(() => socket.write(ok), tarpitMs),
      });
      return opened(host, `http://${host.address}:${host.port}/webhooks`);
    },
  },
];
