import { expect, it } from 'vitest';
import type { EndpointConfig } from '../domain/configuration.ts';
import { partitionOf } from '../domain/partition.ts';
import { rateSlots, type Tenure } from './lane.ts';
import { createLanes } from './lanes.ts';
import { createMemory } from './memory.ts';
import type { HeldDelivery } from './port.ts';
import { defaultDispatchSettings } from './settings.ts';

it('does not look at a lane again at once whose slot is free in less than the clock can tell', () => {
  // Unix milliseconds have steps of a quarter of a microsecond, the monotonic clock has finer ones.
  const nowMs = 1_800_000_000_000;
  let monotonicMs = 10_000;
  let looks = 0;
  const partition = partitionOf('ep_1');
  const tenure: Tenure = {
    partition,
    epoch: 1,
    gainedAtMs: 0,
    abort: new AbortController(),
    isLive: true,
    isLeaving: false,
    maySend: () => true,
  };
  const lanes = createLanes({
    clock: { nowMs: () => nowMs, monotonicMs: () => monotonicMs },
    settings: { ...defaultDispatchSettings, retryPolicy: { kind: 'list', waitsSeconds: [] } },
    memory: createMemory(10, 1_000),
    tenureOf: () => tenure,
    needs: {
      start: () => {},
      poll: () => {},
      pollOrdered: () => {},
      row: () => {},
      endpoint: () => {},
      timer: () => {
        if (++looks > 10) throw new Error('looks again and again');
      },
    },
  });
  const lane = lanes.ensure('ep_1')!;
  lane.isRowKnown = true;
  lane.endpoint = { id: 'ep_1', disabled: false, paused: null, rateLimit: 1 } as EndpointConfig;
  lanes.queue(lane, { endpointId: 'ep_1', priority: 1, payload: new Uint8Array(1) } as HeldDelivery);
  rateSlots(lane).take();
  rateSlots(lane).release(monotonicMs);
  monotonicMs += 999.999_99;
  lanes.review(lane, nowMs);
  expect(lanes.reviewDue(nowMs)).toBeGreaterThan(nowMs);
});
