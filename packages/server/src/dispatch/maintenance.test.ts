import { describe, expect, it } from 'vitest';
import { createSimTimers } from '../../test/dispatch/sim-timers.ts';
import type { Lanes } from './lanes.ts';
import { createMaintenance, heldKey } from './maintenance.ts';
import { createObserver } from './observer.ts';
import type { DispatchStore, HeldDelivery, LaneState } from './port.ts';
import { defaultDispatchSettings } from './settings.ts';

type Parts = Pick<DispatchStore, 'takeOver' | 'sweep' | 'reconcile' | 'dueLanes' | 'repairHints'>;

const setUp = (store: Partial<Parts>, held: ReadonlySet<string> = new Set()) => {
  const timers = createSimTimers();
  const noticed: string[] = [];
  const clock = { nowMs: timers.nowMs, monotonicMs: timers.nowMs };
  let ids = 0;
  const maintenance = createMaintenance({
    node: 'n',
    clock,
    timers,
    ids: () => `atmpt_${ids++}`,
    settings: {
      ...defaultDispatchSettings,
      dueScanLimit: 2,
      freeRows: 3,
      retryPolicy: { kind: 'list', waitsSeconds: [] },
    },
    lanes: { notice: ({ endpointId }: LaneState) => void noticed.push(endpointId) } as unknown as Lanes,
    observe: createObserver({}),
    isSafe: () => true,
    hasPeers: () => false,
    heldKeys: () => held,
    store: {
      takeOver: () => Promise.resolve(0),
      cancelExpired: () => Promise.resolve(0),
      sweep: () => Promise.resolve(0),
      reconcile: () => Promise.resolve(0),
      dueLanes: () => Promise.resolve([]),
      repairHints: () => Promise.resolve(null),
      ...store,
    },
  });
  return { timers, maintenance, noticed };
};

const lane = (endpointId: string): LaneState => ({
  endpointId,
  nextDueMs: 1,
  version: 0,
  block: null,
  failingSinceMs: null,
  goneSinceMs: null,
  abroad: null,
  hasOrdered: false,
});

describe('maintenance', () => {
  it('counts as held what is in memory and what has left it since the reconciliation began', async () => {
    const answers: boolean[] = [];
    const { timers, maintenance } = setUp(
      {
        reconcile: async ({ isHeld }) => {
          await new Promise<void>((resolve) => void timers.setTimeout(resolve, 10));
          answers.push(isHeld('msg_kept', 'ep'), isHeld('msg_left', 'ep'), isHeld('msg_before', 'ep'));
          return 0;
        },
      },
      new Set([heldKey('msg_kept', 'ep')]),
    );
    maintenance.departed({ messageId: 'msg_before', endpointId: 'ep' } as HeldDelivery);
    maintenance.start();
    await timers.advance(5);
    maintenance.departed({ messageId: 'msg_left', endpointId: 'ep' } as HeldDelivery);
    await timers.advance(20);
    expect(answers).toEqual([true, true, false]);
  });

  it('pages through due lanes, so that those which stay due hide no others', async () => {
    const pages = [[lane('ep_a'), lane('ep_b')], [lane('ep_c'), lane('ep_d')], [lane('ep_e')]];
    const cursors: (string | null)[] = [];
    const { timers, maintenance, noticed } = setUp({
      dueLanes: ({ after }) => {
        cursors.push(after?.endpointId ?? null);
        return Promise.resolve(pages[(cursors.length - 1) % 3]!);
      },
    });
    maintenance.start();
    await timers.advance(1_500);
    expect(cursors).toEqual([null, 'ep_b', 'ep_d', null, 'ep_b', 'ep_d']);
    expect(new Set(noticed).size).toBe(5);
  });

  it('takes over until nothing is left, again after a failure, and before it looks for due lanes', async () => {
    const order: string[] = [];
    let left = 7;
    let fails = true;
    const { timers, maintenance } = setUp({
      takeOver: ({ attemptIds }) => {
        order.push('takeOver');
        if (fails) {
          fails = false;
          return Promise.reject(new Error('away'));
        }
        const freed = Math.min(left, attemptIds.length);
        left -= freed;
        return Promise.resolve(freed);
      },
      dueLanes: () => {
        order.push('dueLanes');
        return Promise.resolve([]);
      },
    });
    maintenance.takeOver();
    maintenance.start();
    await timers.advance(1_500);
    expect(order).toEqual(['takeOver', 'takeOver', 'takeOver', 'takeOver', 'dueLanes']);
    expect(left).toBe(0);
  });
});
