import { partitionOf } from '../../src/domain/partition.ts';
import type { EndpointRow } from '../store/rows.ts';
import { between, whole, type Chance } from './chance.ts';
import { STATEMENT_MS } from './database.ts';
import type { EventOf, History } from './history.ts';
import type { Change, EndpointPlan } from './plan.ts';
import { PARTITIONS, type SimulatedProcess } from './process.ts';
import { ORG, applicationId, eventTypeOf } from './producers.ts';
import type { VirtualTime } from './virtual-time.ts';

export const endpointId = (index: number): string => `ep_${index}`;

export const endpointRow = (index: number, plan: EndpointPlan): EndpointRow => ({
  id: endpointId(index),
  applicationId: applicationId(plan.application),
  partition: partitionOf(endpointId(index), PARTITIONS),
  url: `https://receiver-${index}.test/0`,
  disabled: false,
  paused: null,
  rateLimit: plan.rateLimit,
  eventTypes: plan.eventType === null ? null : [eventTypeOf(plan.eventType)],
  fifo: plan.fifo,
  poisonPolicy: plan.poisonPolicy,
});

export type Operators = {
  readonly change: (change: Pick<Change, 'slot' | 'endpoint' | 'to'>) => void;
  /** Lets all blocked keys of an endpoint go on, through the API of a node; whoever cannot be reached is asked again by the caller. */
  readonly release: (of: Pick<Change, 'slot' | 'endpoint'>) => void;
  readonly waiting: () => number;
};

const PATIENCE_MS = 20_000;

/** Change endpoints through the API of a node, one change of an endpoint at a time, each until it is answered. */
export const createOperators = (deps: {
  readonly time: VirtualTime;
  readonly history: History;
  readonly chanceOf: (name: string) => Chance;
  readonly processAt: (slot: number) => SimulatedProcess | null;
  readonly slots: () => number;
  readonly endpoints: readonly EndpointPlan[];
}): Operators => {
  const { time, history } = deps;
  const turns = new Map<number, Promise<void>>();
  let waiting = 0;
  let moves = 0;

  /** What a handler of the API does; true: it answered that the change is made, null: there is nothing to change. */
  const handle = async (
    process: SimulatedProcess,
    index: number,
    to: Change['to'],
    url: string | null,
  ): Promise<true | null> => {
    const id = endpointId(index);
    const plan = deps.endpoints[index]!;
    const write = (): Promise<boolean> => {
      switch (to) {
        case 'created':
          return process.endpoints.create(endpointRow(index, plan));
        case 'disabled':
        case 'enabled':
          return process.endpoints.update(id, { disabled: to === 'disabled' });
        case 'moved':
          return process.endpoints.update(id, { url: url! });
        case 'deleted':
          return process.endpoints.remove(id);
        default:
          return to satisfies never;
      }
    };
    if (!(await write())) return null;
    const change = { orgId: ORG, applicationId: applicationId(plan.application), endpointIds: [id] };
    await process.onConfigChange(to === 'created' ? { ...change, areNew: true } : change);
    return true;
  };

  const request = (
    process: SimulatedProcess,
    index: number,
    to: Change['to'],
    url: string | null,
    chance: Chance,
  ): Promise<true | null | 'failed'> =>
    new Promise((resolve) => {
      const patience = time.after(PATIENCE_MS, () => resolve('failed'));
      const back = (answer: true | null | 'failed'): void =>
        void time.after(between(chance, 0.2, 3), () => {
          time.cancel(patience);
          resolve(answer);
        });
      process.whenDead(() => back('failed'));
      time.after(between(chance, 0.2, 3), () =>
        process.enter(() => void handle(process, index, to, url).then(back, () => back('failed'))),
      );
    });

  const carryOut = async ({
    slot,
    endpoint,
    to,
  }: Pick<Change, 'slot' | 'endpoint' | 'to'>): Promise<void> => {
    const chance = deps.chanceOf(`change ${endpoint}`);
    const url = to === 'moved' ? `https://receiver-${endpoint}.test/${++moves}` : null;
    const event = history.add<EventOf<'change'>>({
      kind: 'change',
      endpointId: endpointId(endpoint),
      to,
      sentMs: time.nowMs(),
      endedMs: null,
      url,
    });
    for (let at = slot; ; at = whole(chance, deps.slots())) {
      const process = deps.processAt(at);
      const answer = process === null ? 'failed' : await request(process, endpoint, to, url, chance);
      if (answer === true) event.endedMs = time.nowMs();
      // A creation that was carried out without an answer, or a deletion, looks like nothing to do.
      if (answer !== 'failed') return;
      // Longer than what was sent and not answered can still come into force.
      await time.sleep(STATEMENT_MS + between(chance, 1_000, 1_500));
    }
  };

  return {
    waiting: () => waiting,
    release: ({ slot, endpoint }) => {
      const process = deps.processAt(slot);
      const id = endpointId(endpoint);
      process?.enter(() => {
        process.endpoints.release(id).then(
          (count) => {
            if (count > 0) process.dispatcher.wake(id, process.nowMs());
          },
          () => {},
        );
      });
    },
    change: (change) => {
      waiting++;
      const before = turns.get(change.endpoint) ?? Promise.resolve();
      const done = before
        .then(() => carryOut(change))
        .then(() => {
          waiting--;
        });
      turns.set(change.endpoint, done);
    },
  };
};
