import { describe, expect, it } from 'vitest';
import type { Priority } from '../domain/delivery.ts';
import { createEventTypes, type EventTypePriorities } from './event-types.ts';

const REFRESH_MS = 5_000;

/** A store whose answers come when they are let through. */
const harness = (capacity?: number) => {
  let nowMs = 0;
  let stored: Priority = 1;
  const waiting: ((error?: Error) => void)[] = [];
  const load = (): Promise<EventTypePriorities> => {
    // As of when it was asked.
    const seen = new Map([['a.b', stored]]);
    return new Promise((resolve, reject) => {
      waiting.push((error) => (error === undefined ? resolve(seen) : reject(error)));
    });
  };
  const eventTypes = createEventTypes({
    load,
    monotonicMs: () => nowMs,
    refreshMs: REFRESH_MS,
    ...(capacity === undefined ? {} : { capacity }),
  });
  const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  return {
    eventTypes,
    asked: () => waiting.length,
    answer: async (index: number, error?: Error) => {
      waiting[index]!(error);
      await turn();
    },
    set: (priority: Priority) => {
      stored = priority;
    },
    pass: (ms: number) => {
      nowMs += ms;
    },
    known: (orgId = 'org_1') => eventTypes.peek(orgId)?.get('a.b'),
  };
};

describe('the priorities of event types', () => {
  it('are loaded once for all who ask meanwhile, and known then', async () => {
    const { eventTypes, asked, answer, known } = harness();
    const both = Promise.all([eventTypes.find('org_1'), eventTypes.find('org_1')]);
    expect([known(), asked()]).toEqual([undefined, 1]);
    await answer(0);
    await both;
    expect([known(), asked()]).toEqual([1, 1]);
  });

  it('are used on while they are read again, once, when they have become old', async () => {
    const { eventTypes, asked, answer, known, pass, set } = harness();
    void eventTypes.find('org_1');
    await answer(0);
    set(0);
    pass(REFRESH_MS);
    expect([known(), known(), asked()]).toEqual([1, 1, 2]);
    await answer(1);
    expect(known()).toBe(0);
  });

  it('stay known while the database is away', async () => {
    const { eventTypes, asked, answer, known, pass } = harness();
    void eventTypes.find('org_1');
    await answer(0);
    pass(REFRESH_MS);
    known();
    await answer(1, new Error('away'));
    expect([known(), asked()]).toEqual([1, 2]);
    pass(REFRESH_MS);
    known();
    expect(asked()).toBe(3);
  });

  it('are not known by a read that began before they changed here', async () => {
    const { eventTypes, answer, known, set } = harness();
    void eventTypes.find('org_1');
    set(0);
    eventTypes.forget('org_1');
    void eventTypes.find('org_1');
    await answer(0);
    expect(known()).toBeUndefined();
    await answer(1);
    expect(known()).toBe(0);
  });

  it('are kept for so many organisations and no more', async () => {
    const { eventTypes, answer, known } = harness(1);
    void eventTypes.find('org_1');
    void eventTypes.find('org_2');
    await answer(0);
    await answer(1);
    expect([known('org_1'), known('org_2')]).toEqual([undefined, 1]);
  });
});
