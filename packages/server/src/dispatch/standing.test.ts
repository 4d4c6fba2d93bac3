import { describe, expect, it } from 'vitest';
import type { Outcome } from '../outcome/outcome.ts';
import { createTrackRecord, noteEnd, noteStart, standingOf, standings } from './standing.ts';

const { proven, unknown, suspect } = standings;
const MINUTE_MS = 60_000;

const ended = (...outcomes: Outcome[]) => {
  const record = createTrackRecord();
  for (const outcome of outcomes) noteEnd(record, outcome, 1_000);
  return record;
};

describe('the standing of an endpoint', () => {
  it.each<[string, Outcome[], number]>([
    ['is unknown while it is new', [], unknown],
    ['is proven by a success', ['succeeded'], proven],
    ['is proven by an answer that says slower', ['throttled'], proven],
    ['is suspect by a failure', ['failed'], suspect],
    ['is still proven when it fails now and then', ['succeeded', 'failed'], proven],
    ['is proven again by a success', ['failed', 'succeeded'], proven],
    ['says nothing by an end that nobody knows', ['unknown'], unknown],
  ])('%s', (_, outcomes, standing) => {
    expect(standingOf(ended(...outcomes), 1_000)).toBe(standing);
  });

  it('fades when nothing was heard of it for a minute', () => {
    expect(standingOf(ended('succeeded'), 1_000 + MINUTE_MS)).toBe(proven);
    expect(standingOf(ended('succeeded'), 1_001 + MINUTE_MS)).toBe(unknown);
    expect(standingOf(ended('succeeded', 'failed'), 1_001 + MINUTE_MS)).toBe(suspect);
  });

  it('is worth two starts for each success, so that one that hangs takes no more of what is reserved', () => {
    const record = ended('succeeded');
    noteStart(record);
    expect(standingOf(record, 1_000)).toBe(proven);
    noteStart(record);
    expect(standingOf(record, 1_000)).toBe(unknown);
    noteEnd(record, 'succeeded', 1_000);
    expect(standingOf(record, 1_000)).toBe(proven);
  });
});
