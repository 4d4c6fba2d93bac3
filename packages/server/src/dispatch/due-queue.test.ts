import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDueQueue, NOT_DUE, type Due } from './due-queue.ts';

type Item = Due & { readonly name: number };
const item = (name: number): Item => ({ name, dueMs: 0, dueIndex: NOT_DUE });

const step = fc.oneof(
  fc.record({
    kind: fc.constant('set' as const),
    name: fc.nat(15),
    dueMs: fc.oneof(fc.nat(50), fc.constant(Infinity)),
  }),
  fc.record({ kind: fc.constant('remove' as const), name: fc.nat(15) }),
  fc.record({ kind: fc.constant('take' as const), nowMs: fc.nat(50) }),
);

describe('due queue', () => {
  it('always gives the earliest item, whatever was set, moved and removed before', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = createDueQueue<Item>();
        const items = Array.from({ length: 16 }, (_, name) => item(name));
        const expected = new Map<number, number>();
        const earliest = (): number => Math.min(Infinity, ...expected.values());
        for (const each of steps) {
          switch (each.kind) {
            case 'set':
              queue.set(items[each.name]!, each.dueMs);
              if (each.dueMs === Infinity) expected.delete(each.name);
              else expected.set(each.name, each.dueMs);
              break;
            case 'remove':
              queue.remove(items[each.name]!);
              expected.delete(each.name);
              break;
            case 'take': {
              const taken = queue.take(each.nowMs);
              if (earliest() > each.nowMs) expect(taken).toBeUndefined();
              else {
                expect(taken!.dueMs).toBe(earliest());
                expect(expected.get(taken!.name)).toBe(taken!.dueMs);
                expected.delete(taken!.name);
              }
              break;
            }
          }
          expect(queue.size()).toBe(expected.size);
          expect(queue.nextMs()).toBe(earliest());
        }
      }),
    );
  });
});
