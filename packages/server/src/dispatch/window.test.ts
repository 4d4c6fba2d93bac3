import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HeldDelivery } from './port.ts';
import { createWindow } from './window.ts';

const delivery = (messageId: string, priority: number): HeldDelivery => ({
  orgId: 'org_1',
  applicationId: 'app_1',
  endpointId: 'ep_1',
  messageId,
  partition: 0,
  epoch: 1,
  priority,
  expiresAtMs: null,
  attemptsUsed: 0,
  throttled: 0,
  unknowns: 0,
  run: 0,
  policy: null,
  eventType: 'invoice.paid',
  channels: null,
  tags: null,
  payload: new Uint8Array(1),
  contentType: 'application/json',
  openSlot: null,
});

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('push' as const), priority: fc.nat(2) }) },
  { weight: 4, arbitrary: fc.constant({ kind: 'shift' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), nth: fc.nat(20) }) },
);

describe('window', () => {
  it('gives deliveries by priority, then by arrival, through any number of pushes and removals', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
        const window = createWindow();
        let expected: HeldDelivery[] = [];
        let next = 0;
        for (const each of steps) {
          if (each.kind === 'push') {
            const pushed = delivery(`msg_${next++}`, each.priority);
            window.push(pushed);
            expected = [...expected, pushed].toSorted((a, b) => a.priority - b.priority);
          } else if (each.kind === 'shift') {
            expect(window.peek()).toBe(expected[0]);
            expect(window.shift()).toBe(expected.shift());
          } else {
            const victim = expected[each.nth];
            expect(window.remove(victim?.messageId ?? 'msg_none')).toBe(victim);
            expected = expected.filter((one) => one !== victim);
          }
          expect(window.size()).toBe(expected.length);
        }
        expect(window.items()).toEqual(expected);
        expect(window.clear()).toEqual(expected);
        expect(window.size()).toBe(0);
      }),
    );
  });
});
