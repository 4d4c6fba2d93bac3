import { expect, it } from 'vitest';
import type { EndpointConfig } from '../domain/configuration.ts';
import { partitionOf } from '../domain/partition.ts';
import { createGrant } from './grant.ts';
import { rateSlots, type Tenure } from './lane.ts';
import { createLanes, type Lanes } from './lanes.ts';
import { createMemory } from './memory.ts';
import type { HeldDelivery } from './port.ts';
import { defaultDispatchSettings } from './settings.ts';
import { createStarter } from './starter.ts';

it('leaves a lane that opens while attempts are being started to the next turn', () => {
  const settings = { ...defaultDispatchSettings, retryPolicy: { kind: 'list', waitsSeconds: [] } } as const;
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
  let reads = 0;
  // Each look at the clock finds it later: work takes time.
  const clock = { nowMs: () => 1_800_000_000_000, monotonicMs: () => 11_998 + reads++ };
  const grant = createGrant(10, 1_000);
  const memory = createMemory(10, 1_000);
  const turns: (() => void)[] = [];
  const timers = { setImmediate: (turn: () => void) => void turns.push(turn) } as never;
  const looks: number[] = [];
  const lanes: Lanes = createLanes({
    clock,
    settings,
    memory,
    tenureOf: () => tenure,
    needs: {
      start: (lane) => starter.lineUp(lane),
      poll: () => {},
      pollOrdered: () => {},
      row: () => {},
      endpoint: () => {},
      timer: (atMs) => void looks.push(atMs),
    },
  });
  let asked = 0;
  const starter = createStarter({
    clock,
    timers,
    settings,
    grant,
    lanes: () => lanes,
    shares: { mayStart: () => true, take: () => ({ release: () => {} }), forfeit: () => {} },
    open: { add: () => {}, size: () => 0 },
    isSafe: () => {
      if (++asked > 100) throw new Error('asks the same lane again and again');
      return true;
    },
    run: () => {
      throw new Error('too early');
    },
    refresh: () => {},
    poll: () => {},
    pollOrdered: () => {},
    handBack: () => {},
    expired: () => {},
  });
  const lane = lanes.ensure('ep_1')!;
  lane.isRowKnown = true;
  lane.endpoint = { id: 'ep_1', disabled: false, paused: null, rateLimit: 1 } as EndpointConfig;
  rateSlots(lane).take();
  rateSlots(lane).release(11_000);
  lanes.queue(lane, { endpointId: 'ep_1', priority: 1, payload: new Uint8Array(1) } as HeldDelivery);
  starter.lineUp(lane);
  turns.shift()!();
  expect(grant.peek(clock.monotonicMs())).toBeUndefined();
  expect(looks).toEqual([clock.nowMs() + 1]);
});
