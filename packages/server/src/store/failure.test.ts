import { describe, expect, it } from 'vitest';
import { failureAfterSend, failureBeforeSend } from './failure.ts';

const answered = (code: string, severity = 'ERROR'): Error =>
  Object.assign(new Error('x'), { code, severity });

describe('a failed statement', () => {
  it.each([
    ['a broken constraint', answered('23505'), 'rejected'],
    ['bad data', answered('22021'), 'rejected'],
    ['an index row too large', answered('54000'), 'rejected'],
    ['a full disk', answered('53100'), 'unavailable'],
    ['too many connections', answered('53300'), 'unavailable'],
    ['a read-only database', answered('25006'), 'unavailable'],
    ['a cancelled statement', answered('57014'), 'unavailable'],
    ['a deadlock', answered('40P01'), 'unavailable'],
    ['a session ended by the administrator', answered('57P01', 'FATAL'), 'unknown'],
    ['a crash of the server', answered('57P02', 'FATAL'), 'unknown'],
    ['a lost connection', new Error('Connection terminated unexpectedly'), 'unknown'],
    ['a reset connection', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }), 'unknown'],
    ['a read that timed out', new Error('Query read timeout'), 'unknown'],
    [
      'a connection that was dead already',
      new Error('Client has encountered a connection error and is not queryable'),
      'unavailable',
    ],
  ] as const)('by %s', (_name, error, kind) => {
    expect(failureAfterSend(error).kind).toBe(kind);
  });
  it.each([answered('57P03', 'FATAL'), Object.assign(new Error('no'), { code: 'ECONNREFUSED' })])(
    'before it was sent was not written: %s',
    (error) => {
      expect(failureBeforeSend(error).kind).toBe('unavailable');
    },
  );
});
