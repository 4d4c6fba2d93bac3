import { expect, it } from 'vitest';
import type { WireRequest } from '../crash/history.ts';
import { returnOf } from './herd.ts';

const request = (arrivedMs: number, endedMs: number | null, answered: number | null = 200): WireRequest => ({
  endpointId: 'ep',
  messageId: `msg_${arrivedMs}`,
  sender: 1,
  bodySha256: '',
  isSigned: true,
  arrivedMs,
  endedMs,
  answered,
});

it('one is tried, and each further one was earned by an answer', () => {
  const ramp = [
    request(90, 95),
    request(100, 110),
    ...[request(111, 120), request(112, 121)],
    ...[request(121, 130), request(122, 130), request(123, 130), request(124, 131)],
  ];
  expect(returnOf(ramp, 100)).toEqual({ peak: 4, unearned: 0 });
});

it('a herd comes all at once', () => {
  const herd = Array.from({ length: 40 }, (_, n) => request(100 + n / 10, 150));
  expect(returnOf(herd, 100)).toEqual({ peak: 40, unearned: 39 });
});

it('failures earn nothing', () => {
  expect(returnOf([request(1, 2, 503), request(3, 9), request(4, 9)], 0)).toEqual({ peak: 2, unearned: 1 });
});

it('one that ends as another begins is not beside it, and one without an end stays', () => {
  expect(returnOf([request(1, 2), request(2, 3), request(3, 4)], 0).peak).toBe(1);
  expect(returnOf([request(1, null, null), request(2, 3), request(9, 10)], 0).peak).toBe(2);
});
