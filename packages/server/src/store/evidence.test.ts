import { describe, expect, it } from 'vitest';
import type { AttemptReport } from '../domain/attempt.ts';
import { evidenceOf, readEvidence } from './evidence.ts';

const report = (responseHeaders: string, more: Partial<AttemptReport> = {}): AttemptReport => ({
  result: { kind: 'unknown' },
  startedAtMs: 0,
  phases: { dnsMs: null, connectMs: null, tlsMs: null, firstByteMs: null, totalMs: 1 },
  requestHeaders: 'Host: a\r\n',
  responseHeaders,
  responseBody: new Uint8Array(),
  bodyBytes: 7,
  peer: null,
  ...more,
});

describe('evidence', () => {
  it('is read as it was written, headers as pairs, with the hash of the body', () => {
    const odd = '\u00ff\u0080"\\';
    expect(readEvidence(evidenceOf(report(`x: ${odd}\r\nx: \r\n`)), 0, 'ab')).toEqual({
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

  it('says all of a response, the plain ones too', () => {
    const phases = { dnsMs: 0.5, connectMs: 1.25, tlsMs: null, firstByteMs: 2, totalMs: 3.125 };
    const shown = (retryAfter: string | null, bodyError: string | null) => {
      const result = { kind: 'response', status: 503, retryAfter, bodyError } as const;
      return { result, read: readEvidence(evidenceOf(report('', { result, phases, peer: '"' })), 503, null) };
    };
    for (const { result, read } of [shown(null, null), shown('5', null), shown(null, 'body_cut')])
      expect(read).toMatchObject({ result, phases, responseHeaders: [], peer: '"' });
    expect(evidenceOf(report('', { result: shown(null, null).result }))).not.toContain('503');
  });

  it('of an attempt that was lost with its node is what is known', () => {
    expect(readEvidence('{"result":{"kind":"unknown"}}', 0, 'ab')).toEqual({ result: { kind: 'unknown' } });
    expect(readEvidence(null, 0, null)).toBeNull();
  });
});
