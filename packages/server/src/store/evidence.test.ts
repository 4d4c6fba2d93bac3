import { describe, expect, it } from 'vitest';
import type { AttemptReport } from '../domain/attempt.ts';
import { evidenceOf, readEvidence } from './evidence.ts';

const report = (responseHeaders: string): AttemptReport => ({
  result: { kind: 'unknown' },
  startedAtMs: 0,
  phases: { dnsMs: null, connectMs: null, tlsMs: null, firstByteMs: null, totalMs: 1 },
  requestHeaders: 'Host: a\r\n',
  responseHeaders,
  responseBody: new Uint8Array(),
  bodyBytes: 7,
  peer: null,
});

describe('evidence', () => {
  it('is read as it was written, headers as pairs, with the hash of the body', () => {
    const odd = '\u00ff\u0080"\\';
    expect(readEvidence(evidenceOf(report(`x: ${odd}\r\nx: \r\n`)), 'ab')).toEqual({
      result: { kind: 'unknown' },
      phases: { dnsMs: null, connectMs: null, tlsMs: null, firstByteMs: null, totalMs: 1 },
      requestHeaders: [['Host', 'a']],
      responseHeaders: [
        ['x', odd],
        ['x', ''],
      ],
      bodySha256: 'ab',
      bodyBytes: 7,
      peer: null,
    });
  });

  it('of an attempt that was lost with its node is what is known', () => {
    expect(readEvidence('{"result":{"kind":"unknown"}}', 'ab')).toEqual({ result: { kind: 'unknown' } });
    expect(readEvidence(null, null)).toBeNull();
  });
});
