import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { attempterFor, requestTo } from '../../test/attempting.ts';
import { answering, http, ok, rawReceiver } from '../../test/raw-receiver.ts';

const response = (status: number, bodyError: string | null = null) => ({
  kind: 'response',
  status,
  bodyError,
});
// tools/zoo has them all, with the test in test/zoo; here is what needs a closer look.
describe('hostile receivers', () => {
  it('keeps 1 KiB of a success and 16 KiB of a failure, byte by byte', async () => {
    const body = Buffer.from(Array.from({ length: 40_000 }, (_, index) => index % 251));
    for (const [status, kept] of [
      [200, 1_024],
      [500, 16_384],
    ] as const) {
      const receiver = await rawReceiver({
        onRequest: (socket) => {
          socket.write(`HTTP/1.1 ${status} X\r\ncontent-length: ${body.length}\r\n\r\n`);
          for (let at = 0; at < body.length; at += 1_000) socket.write(body.subarray(at, at + 1_000));
        },
      });
      const attempter = attempterFor();
      const report = await attempter.deliver(requestTo(receiver.port));
      expect(report.result).toMatchObject(response(status, 'body_truncated'));
      expect(Buffer.from(report.responseBody).equals(body.subarray(0, kept))).toBe(true);
      expect(attempter.sizes().idle).toBe(1);
    }
  });

  it.each([
    ['retry-after: 120', '120'],
    ['Retry-After: Wed, 21 Oct 2026 07:28:00 GMT', 'Wed, 21 Oct 2026 07:28:00 GMT'],
    ['retry-after: 1\r\nretry-after: 2', '1, 2'],
    [`retry-after: ${'9'.repeat(10_000)}`, '9'.repeat(128)],
  ])('hands on %.40s', async (header, retryAfter) => {
    const receiver = await rawReceiver(answering(http('503 X', `${header}\r\ncontent-length: 0`)));
    const report = await attempterFor().deliver(requestTo(receiver.port));
    expect(report.result).toMatchObject({ status: 503, retryAfter });
  });

  it('an answer that nobody asked for does not become the next attempt’s', async () => {
    const receiver = await rawReceiver({
      onRequest: (socket, _request, index) =>
        index === 0
          ? socket.write(ok, () =>
              setImmediate(() => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged')),
            )
          : socket.write(http500),
    });
    const attempter = attempterFor();
    await attempter.deliver(requestTo(receiver.port));
    await vi.waitFor(() => expect(attempter.sizes().sockets).toBe(0));
    expect(await attempter.deliver(requestTo(receiver.port))).toMatchObject({ result: { status: 500 } });
    expect(receiver.connections()).toBe(2);
  });

  it('whatever bytes come, in whatever pieces: one report and no crash', async () => {
    const seeds = [
      ok,
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n',
      'HTTP/1.1 103 X\r\n\r\n',
      http500,
    ];
    const mutated = fc
      .tuple(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(120), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
      )
      .map(([text, changes]) => {
        const bytes = Buffer.from(text, 'latin1');
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        return bytes;
      });
    const piece = fc.oneof(
      mutated,
      fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
    );
    const attempter = attempterFor({ timeoutMs: 2_000 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        async (pieces, isReset) => {
          const receiver = await rawReceiver({
            onRequest: (socket) => {
              for (const bytes of pieces) socket.write(bytes);
              if (isReset) socket.resetAndDestroy();
              else socket.end();
            },
          });
          const { result } = await attempter.deliver(requestTo(receiver.port));
          expect(['response', 'protocol', 'network']).toContain(result.kind);
        },
      ),
      { numRuns: 150 },
    );
    expect(attempter.sizes().inFlight).toBe(0);
  });
});

const http500 = 'HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n';
