import { expect, it } from 'vitest';
import type { Finding } from '../domain/audit.ts';
import { logFindings } from './audit.ts';

const linesOf = (count: number): unknown[] => {
  const lines: unknown[] = [];
  const findings = Array.from({ length: count }, (_, at): Finding => ({
    rule: 'orphan',
    subject: `msg_${at} ep_1`,
    detail: 'its message is gone',
  }));
  logFindings({ error: (line: unknown) => void lines.push(line) }, findings);
  return lines;
};

it('tells of each finding, and of too many by their number', () => {
  expect(linesOf(0)).toEqual([]);
  expect(linesOf(2)).toEqual([
    { rule: 'orphan', subject: 'msg_0 ep_1', detail: 'its message is gone' },
    { rule: 'orphan', subject: 'msg_1 ep_1', detail: 'its message is gone' },
  ]);
  expect(linesOf(100)).toHaveLength(100);
  expect(linesOf(2_280).slice(99)).toEqual([
    expect.objectContaining({ subject: 'msg_99 ep_1' }),
    { more: 2_180 },
  ]);
});
