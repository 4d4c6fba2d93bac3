import { describe, expect, it } from 'vitest';
import { benchFacts, benchText, type Load } from './bench-report.ts';

const load: Load = {
  accepted: new Map([0, 1, 2].map((number) => [number, { startMs: 100 + number, durationMs: 2 }])),
  others: {},
  fromMs: 100,
  toMs: 1_100,
  busy: 0.1,
};
const delivered = { arrivals: new Map([[0, 105]]), duplicates: 0, lastMs: 105 };

describe('what bench tells', () => {
  it('calls missing what did not come in time', () => {
    const facts = benchFacts(load, delivered, false);
    expect(facts).toMatchObject({ isGood: false, delivery: { missing: 2, inFlight: 0 } });
    expect(benchText(facts, 2)).toContain('2 missing');
  });

  it('calls in flight what nobody waited for', () => {
    const facts = benchFacts(load, delivered, true);
    expect(facts).toMatchObject({ isGood: true, interrupted: true, delivery: { missing: 0, inFlight: 2 } });
    expect(benchText(facts, 2)).toContain('2 in flight');
    expect(benchText(facts, 2)).not.toContain('missing');
  });

  it('says that nothing was measured when it was interrupted before', () => {
    const facts = benchFacts({ ...load, toMs: 100 }, delivered, true);
    expect(facts).toMatchObject({ seconds: 0, acceptedPerSecond: 0, delivery: { perSecond: 0 } });
    expect(benchText(facts, 2)).toContain('interrupted; 0.0 s were measured');
  });

  it('counts what was refused against it', () => {
    expect(benchFacts({ ...load, others: { 503: 1 } }, null, false).isGood).toBe(false);
  });
});
