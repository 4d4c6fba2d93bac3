import { describe, expect, it } from 'vitest';
import type { Verdict } from './attempt.ts';
import { messageEventOf, operationalOrgId } from './operational.ts';

const succeeded: Verdict = { kind: 'succeeded' };
const retry: Verdict = { kind: 'retry', atMs: 1, countsAsAttempt: true };
const free: Verdict = { kind: 'retry', atMs: 1, countsAsAttempt: false };
const dead: Verdict = { kind: 'dead', reason: 'exhausted' };

describe('what the end of an attempt is worth', () => {
  it.each<[Verdict, attemptsUsed: number, run: number, string | null]>([
    [succeeded, 1, 0, null],
    [succeeded, 4, 0, null],
    [succeeded, 5, 0, 'message.attempt.recovered'],
    [succeeded, 1, 1, 'message.attempt.recovered'],
    [retry, 3, 0, null],
    [retry, 4, 0, 'message.attempt.failing'],
    [retry, 4, 2, 'message.attempt.failing'],
    [retry, 5, 0, null],
    [free, 4, 0, null],
    [dead, 1, 0, 'message.attempt.exhausted'],
    [dead, 10, 1, 'message.attempt.exhausted'],
    [{ kind: 'dead', reason: 'payload_gone' }, 4, 0, null],
  ])('%j as number %i of run %i: %s', (verdict, attemptsUsed, run, event) => {
    expect(messageEventOf({ orgId: 'org_1', verdict, attemptsUsed, run })).toBe(event);
    expect(messageEventOf({ orgId: operationalOrgId, verdict, attemptsUsed, run })).toBe(null);
  });
});
