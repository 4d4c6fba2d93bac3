import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Priority } from '../domain/delivery.ts';
import type { HeldDelivery } from './port.ts';
import { createWindow } from './window.ts';

const delivery = (messageId: string, priority: Priority): HeldDelivery => ({
  orgId: 'org_1',
  applicationId: 'app_1',
  endpointId: 'ep_1',
  messageId,
  partition: 0,
  epoch: 1,
  priority,
  orderKey: null,
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

const classes = [0, 1, 2] as const;
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('push' as const), priority: fc.constantFrom(...classes) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('shift' as const), from: fc.constantFrom(...classes) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), nth: fc.nat(20) }) },
);

describe('window', () => {
  it('gives a class by arrival and shows what it gives, through any number of pushes and removals', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
        const window = createWindow();
        const expected: HeldDelivery[][] = [[], [], []];
        let next = 0;
        for (const each of steps) {
          if (each.kind === 'push') {
            const pushed = delivery(`msg_${next++}`, each.priority);
            window.push(pushed);
            expected[each.priority]!.push(pushed);
          } else if (each.kind === 'shift') {
            const shown = window.peek(each.from);
            const given = window.shift(each.from);
            expect(given).toBe(shown);
            if (given === undefined) expect(expected.slice(each.from).flat()).toEqual([]);
            else expect(given).toBe(expected[given.priority]!.shift());
            expect(given?.priority ?? each.from).toBeGreaterThanOrEqual(each.from);
          } else {
            const victim = expected.flat()[each.nth];
            expect(window.remove(victim?.messageId ?? 'msg_none')).toBe(victim);
            for (const priority of classes)
              expected[priority] = expected[priority]!.filter((one) => one !== victim);
          }
          expect(window.size()).toBe(expected.flat().length);
          for (const priority of classes) expect(window.sizeOf(priority)).toBe(expected[priority]!.length);
        }
        expect(window.items()).toEqual(expected.flat());
        expect(window.clear()).toEqual(expected.flat());
        expect(window.size()).toBe(0);
      }),
    );
  });

  it('gives every class its turns while all of them wait: of twenty, sixteen, three and one', () => {
    const window = createWindow();
    for (let n = 0; n < 300; n++) window.push(delivery(`msg_${n}`, classes[n % 3]!));
    const given = Array.from({ length: 100 }, () => window.shift()!.priority);
    expect(classes.map((priority) => given.filter((one) => one === priority).length)).toEqual([80, 15, 5]);
  });

  it('gives bulk its turn among normal ones alone, and a critical one goes before all of them', () => {
    const window = createWindow();
    for (let n = 0; n < 300; n++) window.push(delivery(`msg_${n}`, n % 2 === 0 ? 1 : 2));
    const given = Array.from({ length: 100 }, () => window.shift()!.priority);
    expect(given.filter((one) => one === 2)).toHaveLength(5);
    window.push(delivery('urgent', 0));
    expect(window.shift()?.messageId).toBe('urgent');
  });
});
