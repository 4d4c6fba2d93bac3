import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ResponseParser } from './response-parser.ts';

type Told = { head: string | null; body: string; end: string | null };

/** What a parser tells of bytes that come in these pieces, and then of the connection's end. */
const readIn = (pieces: readonly Buffer[], isClosed = false): Told => {
  const told: Told = { head: null, body: '', end: null };
  const end = (word: string): void => {
    expect(told.end).toBeNull();
    told.end = word;
  };
  const parser = new ResponseParser({
    onHead: ({ status, headers, retryAfter }) => {
      expect(told.head).toBeNull();
      told.head = `${status} ${JSON.stringify(headers)} ${String(retryAfter)}`;
    },
    onBody: (bytes) => {
      expect(told.end).toBeNull();
      told.body += bytes.toString('latin1');
    },
    onEnd: (idleMs) => end(`whole, ${idleMs}`),
    onInvalid: end,
  });
  for (const piece of pieces) parser.push(piece);
  if (isClosed && !parser.close() && told.end === null) end('cut');
  return told;
};
const read = (text: string, isClosed = false): Told => readIn([Buffer.from(text, 'latin1')], isClosed);

describe('how a response ends', () => {
  it.each([
    ['by its length', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', 'ok', 'whole, Infinity'],
    ['at once', 'HTTP/1.1 200 OK\r\ncontent-length: 00\r\n\r\n', '', 'whole, Infinity'],
    ['without a body by its status', 'HTTP/1.1 304 Same\r\ncontent-length: 5\r\n\r\n', '', 'whole, Infinity'],
    [
      'by its last chunk',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;x="y"\r\nabc\r\nA\r\n0123456789\r\n0\r\nt: 1\r\n\r\n',
      'abc0123456789',
      'whole, Infinity',
    ],
    ['with the connection', 'HTTP/1.1 200 OK\r\n\r\nbody', 'body', 'whole, 0'],
    ['as said by 1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx', 'x', 'whole, 0'],
    ['with close', 'HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 1\r\n\r\nx', 'x', 'whole, 0'],
    ['with more than one answer', 'HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', '', 'whole, 0'],
    [
      'with an announced patience',
      'HTTP/1.1 204 No\r\nKeep-Alive: max=9, timeout=7\r\n\r\n',
      '',
      'whole, 7000',
    ],
    ['in another coding', 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\nx', 'x', 'whole, 0'],
    ['too early', 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab', 'ab', 'cut'],
  ])('%s', (_name, text, body, end) => {
    expect(read(text, true)).toMatchObject({ body, end });
  });
});

describe('what is told of a head', () => {
  it('is its lines as they came, and Retry-After', () => {
    const lines = 'X-A:  b \r\nretry-after: 5\r\nRetry-After: 6\r\nx-empty:\r\ncontent-length: 0\r\n';
    expect(read(`HTTP/1.1 103 Early\r\nx: y\r\n\r\nHTTP/1.1 503\r\n${lines}\r\n`).head).toBe(
      `503 ${JSON.stringify(lines)} 5, 6`,
    );
  });
});

describe('no response', () => {
  it.each([
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n', 'bad_response'],
    ['a length with a sign', 'HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n', 'bad_response'],
    [
      'length and chunks',
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
      'bad_response',
    ],
    ['a folded line', 'HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n', 'bad_response'],
    ['a blank before the colon', 'HTTP/1.1 200 OK\r\ncontent-length : 1\r\n\r\n', 'bad_response'],
    ['a line without a name', 'HTTP/1.1 200 OK\r\n: b\r\n\r\n', 'bad_response'],
    ['a bare line feed, before the end of the head', 'HTTP/1.1 200 OK\n', 'bad_response'],
    ['a bare carriage return', 'HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n', 'bad_response'],
    ['another protocol, at its first byte', 'S', 'bad_response'],
    ['a version of one digit more', 'HTTP/1.10 200 OK\r\n\r\n', 'bad_response'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n', 'bad_response'],
    ['a switch of protocols', 'HTTP/1.1 101 Go\r\n\r\n', 'unexpected_upgrade'],
    ['a status below 100', 'HTTP/1.1 099 Go\r\n\r\n', 'bad_status'],
    ['a head without end', `HTTP/1.1 200 OK\r\na: ${'b'.repeat(20_000)}`, 'headers_too_large'],
    ['a head too long', `HTTP/1.1 200 OK\r\na: ${'b'.repeat(20_000)}\r\n\r\n`, 'headers_too_large'],
    ['a chunk of no size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n', 'bad_response'],
    [
      'a chunk longer than said',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n',
      'bad_response',
    ],
    [
      'a chunk line without end',
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;${'x'.repeat(5_000)}`,
      'bad_response',
    ],
    [
      'trailers without end',
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n${'a: b\r\n'.repeat(3_000)}`,
      'bad_response',
    ],
  ])('%s', (_name, text, code) => {
    expect(read(text).end).toBe(code);
  });
});

describe('bytes', () => {
  const samples = [
    'HTTP/1.1 103 X\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1f;x\r\n0123456789012345678901234567890\r\n0\r\nt: u\r\n\r\n',
    'HTTP/1.1 500 No\r\n\r\nuntil the end',
    'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n',
  ];

  it('mean the same however they are cut, also when some of them are wrong', () => {
    const seed = 20_261_122;
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 2 }),
        fc.array(fc.nat(200), { maxLength: 12 }),
        (sample, changes, cuts) => {
          const bytes = Buffer.from(sample, 'latin1');
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          const places = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
          const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
          const whole = readIn([bytes], true);
          const cut = readIn(pieces, true);
          // What follows the end in a piece of its own is the connection's to refuse.
          if (whole.end === 'whole, 0') whole.end = cut.end?.startsWith('whole') ? cut.end : whole.end;
          expect(cut).toEqual(whole);
        },
      ),
      { seed, numRuns: 3_000 },
    );
  });
});
