import { expect, it } from 'vitest';
import { wantsOneThread } from './collector.ts';

it.each([
  [1, '24.21.0', true],
  [2, '26.0.0', true],
  [3, '24.21.0', false],
  [2, '22.19.0', false],
  [1, '22.23.2', false],
])('%i processors on Node %s: one thread %s', (processors, node, expected) => {
  expect(wantsOneThread(processors, node)).toBe(expected);
});
