import { describe, expect, it } from 'vitest';
import { endpointOf } from '../../test/dispatch/world.ts';
import { createLane, learnAbroad, nextStep, slotsOpenAtMs, type Lane, type Tenure } from './lane.ts';
import type { HeldDelivery } from './port.ts';
import { RATE_WINDOW_MS } from './rate.ts';

const NOW = 1_000;
const MONOTONIC = 50_000;
const CONCURRENCY = 2;

/** A lane with all gates open and something queued, then changed. */
const lane = (change: Partial<Lane>): Lane => {
  const tenure: Tenure = {
    partition: 0,
    epoch: 1,
    gainedAtMs: 0,
    abort: new AbortController(),
    isLive: true,
    isLeaving: false,
    maySend: () => true,
  };
  const open = createLane('ep_a', 0, tenure);
  open.endpoint = endpointOf('a');
  open.window.push({ messageId: 'msg_1', priority: 1 } as HeldDelivery);
  return Object.assign(open, change);
};

const disabled = endpointOf('a', { disabled: true });
const limited = endpointOf('a', { rateLimit: 1 });
const block = { reason: 'throttled', untilMs: NOW + 1 } as const;

describe('the gates of a lane', () => {
  it.each<[string, Partial<Lane>, object]>([
    ['all open', {}, { kind: 'start' }],
    ['not ours', { tenure: null }, { kind: 'blocked', by: 'not_owned' }],
    [
      'lost',
      {
        tenure: {
          partition: 0,
          epoch: 1,
          gainedAtMs: 0,
          abort: new AbortController(),
          isLive: false,
          isLeaving: false,
          maySend: () => true,
        },
      },
      { kind: 'blocked', by: 'not_owned' },
    ],
    ['deleted before disabled', { isDeleted: true, endpoint: disabled }, { kind: 'blocked', by: 'deleted' }],
    ['not loaded', { endpoint: null }, { kind: 'blocked', by: 'unknown_endpoint' }],
    ['disabled before blocked', { endpoint: disabled, block }, { kind: 'blocked', by: 'disabled' }],
    ['blocked before concurrency', { block, inFlight: 2 }, { kind: 'wait', untilMs: NOW + 1 }],
    ['blocked until now', { block: { ...block, untilMs: NOW } }, { kind: 'start' }],
    ['concurrency', { inFlight: 2 }, { kind: 'blocked', by: 'concurrency' }],
    ['one slot left', { inFlight: 1 }, { kind: 'start' }],
    ['concurrency before rate', { inFlight: 2, endpoint: limited }, { kind: 'blocked', by: 'concurrency' }],
    ['a rate with room', { endpoint: limited }, { kind: 'start' }],
    [
      'a rate, spent a moment ago',
      { endpoint: limited, unlimitedAtMs: MONOTONIC - 10 },
      { kind: 'wait', untilMs: NOW + RATE_WINDOW_MS - 10 },
    ],
    [
      'a rate after a change of owner, who may have sent until a moment ago',
      { endpoint: limited, foreignUntilMs: MONOTONIC - 10 },
      { kind: 'wait', untilMs: NOW + RATE_WINDOW_MS - 10 },
    ],
    [
      'a rate that a former owner has a request in flight for',
      { endpoint: limited, abroad: 1 },
      { kind: 'blocked', by: 'rate' },
    ],
    [
      'a rate that a manual attempt waits for',
      { endpoint: limited, manualWaiting: 1 },
      { kind: 'blocked', by: 'rate' },
    ],
  ])('%s', (_, change, step) => {
    expect(nextStep(lane(change), NOW, MONOTONIC, CONCURRENCY)).toEqual(step);
  });

  it('lets what former owners had in flight rest for a window once it has ended', () => {
    const ours = lane({ endpoint: endpointOf('a', { rateLimit: 2 }) });
    learnAbroad(ours, 2, MONOTONIC);
    expect(slotsOpenAtMs(ours, 2, MONOTONIC)).toBe(Infinity);
    learnAbroad(ours, 1, MONOTONIC + 100);
    expect(slotsOpenAtMs(ours, 2, MONOTONIC + 100)).toBe(MONOTONIC + 100 + RATE_WINDOW_MS);
    learnAbroad(ours, null, MONOTONIC + 200);
    expect(slotsOpenAtMs(ours, 1, MONOTONIC + 300)).toBe(MONOTONIC + 200 + RATE_WINDOW_MS);
    expect(slotsOpenAtMs(ours, 3, MONOTONIC + 300)).toBe(MONOTONIC + 300);
  });

  it('has nothing to start when nothing is queued', () => {
    const idle = lane({});
    idle.window.clear();
    expect(nextStep(idle, NOW, MONOTONIC, CONCURRENCY)).toEqual({ kind: 'blocked', by: 'nothing_queued' });
  });
});
