import { describe, expect, it } from 'vitest';
import { summarize } from './result.ts';
import { countLost } from '../shared/statistics.ts';
import { type Measurement, voidReason } from './round.ts';

function measured(perSecond: number, nodeShare = 1): Measurement {
  return {
    subject: 'x',
    accepted: 100,
    delivered: 100,
    perSecond,
    windowMs: 1000,
    settleMs: 1,
    cpuUs: { node: 1e6 / perSecond, postgres: 5 },
    cores: { node: nodeShare, postgres: 0.2, generator: 0.2, receiver: 0.2 },
    statementsPerMessage: 0.02,
    transactionsPerMessage: 0.02,
    latencyMs: undefined,
    lost: 0,
    duplicates: 0,
    signaturesChecked: 1,
    refusedByStatus: {},
    lateSends: 0,
    void: voidReason(nodeShare, 0),
  };
}

const rest = { latency: {}, memory: {}, two: undefined, machine: {}, seconds: 1 };

describe('summarize', () => {
  it('takes the median of the ratios within rounds, not the ratio of medians', () => {
    const result = summarize({
      rounds: [
        { durable: measured(80), reference: measured(100) },
        { durable: measured(45), reference: measured(50) },
        { durable: measured(140), reference: measured(200) },
      ],
      ...rest,
    });
    expect(result.oneProcess).toBeCloseTo(0.8);
    expect(result.ratios.oneProcess).toMatchObject({ min: 0.7, max: 0.9, rounds: 3 });
    expect(result.batch100).toBeUndefined();
    expect(result.void).toBe(false);
    expect(result.acknowledged).toBe(600);
  });

  it('tells of two processes what was measured of them', () => {
    const two = { ratio: { median: 0.7, min: 0.6, max: 0.8 }, durable: [6, 7, 8], relays: [10, 10, 10] };
    expect(summarize({ rounds: [], ...rest, two })).toMatchObject({ twoProcesses: 0.7, two });
    expect(summarize({ rounds: [], ...rest }).twoProcesses).toBeUndefined();
  });

  it('leaves void rounds out and says why', () => {
    const result = summarize({
      rounds: [
        { durable: measured(100, 0.5), reference: measured(100) },
        { durable: measured(70), reference: measured(100) },
      ],
      ...rest,
    });
    expect(result.oneProcess).toBeCloseTo(0.7);
    expect(result.cases.durable?.messagesPerSecond?.median).toBe(70);
    expect(result.void).toBe(false);
    expect(result.voidReasons).toEqual([expect.stringMatching(/^round 1, durable: .* 50 % of a core/)]);
  });

  it('is void as a whole when no round of a promised ratio counts', () => {
    const result = summarize({
      rounds: [{ durable: measured(100, 0.89), reference: measured(100) }],
      ...rest,
    });
    expect(result.void).toBe(true);
    expect(result.oneProcess).toBe(1);
    expect(result.nodeCpu.oneProcess?.median).toBe(1);
  });
});

describe('voidReason', () => {
  it('draws the line at nine tenths of a core', () => {
    expect(voidReason(0.9, 0)).toBeUndefined();
    expect(voidReason(1.3, 0)).toBeUndefined();
    expect(voidReason(0.899, 0)).toContain('90 % of a core');
  });

  it('tells a busy machine from a load that is too small', () => {
    expect(voidReason(0.6, 0.1)).toContain('the load was the limit');
    expect(voidReason(0.6, 0.35)).toContain('waited for a processor 35 % of the time');
  });
});

describe('countLost', () => {
  it('counts acknowledged messages without an arrival, by identity', () => {
    const acknowledged = Uint8Array.of(1, 1, 0, 1, 0);
    expect(countLost(acknowledged, Uint8Array.of(1, 0, 0, 2, 1))).toBe(1);
    expect(countLost(acknowledged, Uint8Array.of(1, 3, 0, 1, 0))).toBe(0);
  });
});
