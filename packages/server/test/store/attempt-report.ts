import type { AttemptReport } from '../../src/domain/attempt.ts';

/** What came of an attempt that got this status, odd bytes included. */
export const report = (status: number, startedAtMs: number): AttemptReport => ({
  result: { kind: 'response', status, retryAfter: null, bodyError: null },
  startedAtMs,
  phases: { dnsMs: null, connectMs: 1, tlsMs: null, firstByteMs: 2, totalMs: 3 },
  requestHeaders: 'content-type: application/json\r\n',
  responseHeaders: 'x-odd: \u00ff\r\n',
  responseBody: new Uint8Array([0, 255]),
  bodyBytes: 2,
  peer: '192.0.2.1:443',
});
