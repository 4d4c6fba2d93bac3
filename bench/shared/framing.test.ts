import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Framer, statusOf } from './framing.ts';

const responses = [
  'HTTP/1.1 202 Accepted\r\nContent-Length: 11\r\n\r\n{"id":"m1"}',
  'HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n',
  'HTTP/1.1 202 Accepted\r\ncontent-type: a\r\ncontent-length: 2\r\nx: y\r\n\r\nok',
  'HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\na;x=1\r\n0123456789\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nCONTENT-LENGTH:   3\r\n\r\n\r\n\r',
  'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
];

function cut(pieces: Buffer[]): { text: string; body: string; status: number }[] {
  const seen: { text: string; body: string; status: number }[] = [];
  const framer = new Framer((buffer, start, bodyStart, end) => {
    seen.push({
      text: buffer.toString('latin1', start, end),
      body: buffer.toString('latin1', bodyStart, end),
      status: statusOf(buffer, start),
    });
  });
  // One reused read buffer with old bytes behind the new ones, as the generator has.
  const shared = Buffer.alloc(4096, 'HTTP/1.1 500 Stale\r\nContent-Length: 1\r\n\r\nx');
  for (const piece of pieces) {
    piece.copy(shared);
    framer.push(shared, piece.length);
  }
  return seen;
}

describe('Framer', () => {
  const stream = Buffer.from(responses.join(''), 'latin1');

  it('finds the same messages for every single split', () => {
    for (let at = 0; at <= stream.length; at++) {
      const seen = cut([stream.subarray(0, at), stream.subarray(at)]);
      expect(seen.map((message) => message.text)).toEqual(responses);
    }
  });

  it('finds the same messages byte by byte', () => {
    const seen = cut(Array.from(stream, (byte) => Buffer.from([byte])));
    expect(seen.map((message) => message.text)).toEqual(responses);
  });

  it('finds the same messages for any sequence of pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), (sizes) => {
        const pieces: Buffer[] = [];
        let at = 0;
        for (let turn = 0; at < stream.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          pieces.push(stream.subarray(at, at + size));
          at += size;
        }
        expect(cut(pieces).map((message) => message.text)).toEqual(responses);
      }),
    );
  });

  it('tells the body and the status of each message', () => {
    const seen = cut([stream]);
    expect(seen.map((message) => message.status)).toEqual([202, 204, 202, 503, 200, 200]);
    expect(seen[0]?.body).toBe('{"id":"m1"}');
    expect(seen[4]?.body).toBe('\r\n\r');
  });

  it('does not take a longer header name for Content-Length', () => {
    const text = 'HTTP/1.1 200 OK\r\nX-Content-Length: 9\r\nContent-Length: 1\r\n\r\nz';
    expect(cut([Buffer.from(text)]).map((message) => message.body)).toEqual(['z']);
  });

  it('refuses a chunk size that is no number', () => {
    const text = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n';
    expect(() => cut([Buffer.from(text)])).toThrow('unreadable chunk size');
  });
});
