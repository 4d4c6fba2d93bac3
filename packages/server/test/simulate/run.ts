import type { LiveRow } from '../store/rows.ts';
import { createStreams } from './chance.ts';
import { createDatabase, STATEMENT_MS } from './database.ts';
import { newLane } from './endpoint-api.ts';
import { createHistory, type EventOf, type History } from './history.ts';
import { createOperators, endpointId, endpointRow } from './operators.ts';
import type { Fault, Plan, PlanEvent, Post } from './plan.ts';
import { createProcess, LEASE_MS, PARTITIONS, settingsOf, type SimulatedProcess } from './process.ts';
import { applicationId, createProducers, ORG } from './producers.ts';
import { createReceivers } from './receivers.ts';
import { createVirtualTime } from './virtual-time.ts';

/** After the storm everything has to be delivered within this. */
const CALM_MS = 90_000;
/** The last posts, when nothing is wrong any more. */
export const CANARY = 1_000;
const CANARY_MS = 15_000;
const STEADY_MS = 1_000;
const RELEASE_MS = 500;

export type RunResult = {
  readonly history: History;
  readonly plan: Plan;
  readonly steps: number;
  /** When the storm was over, all of it delivered, and when the canaries were posted; null: never. */
  readonly calmMs: number;
  readonly quietMs: number | null;
  /** What is left in the end that should not be. */
  readonly left: readonly string[];
};

/** Everything that a process keeps of deliveries. */
const memoryOf = ({ dispatcher }: SimulatedProcess): number => {
  const { rows, bytes, inFlight, unsettled } = dispatcher.numbers();
  return rows + bytes + inFlight + unsettled;
};

/** Runs a plan from its beginning to its end. The same plan gives the same history. */
export const runPlan = async (plan: Plan): Promise<RunResult> => {
  const time = createVirtualTime();
  const history = createHistory();
  const chanceOf = createStreams(plan.seed);
  const database = createDatabase(time, history);
  const receivers = createReceivers(time, history, chanceOf);
  const settings = settingsOf(plan);
  const slots: (SimulatedProcess | null)[] = Array.from({ length: plan.nodes }, () => null);
  const starts = slots.map(() => 0);
  const calms: (() => void)[] = [];

  database.change((tx) => {
    for (let id = 0; id < PARTITIONS; id++) {
      tx.insert('partition', String(id).padStart(3, '0'), { id, epoch: 0, node: null, untilMs: -Infinity });
    }
    for (let index = 0; index < plan.applications; index++) {
      const id = applicationId(index);
      tx.insert('application', id, { id, orgId: ORG, configVersion: 1 });
    }
    plan.endpoints.forEach((endpoint, index) => {
      if (endpoint.isLate) return;
      const row = endpointRow(index, endpoint);
      tx.insert('endpoint', row.id, row);
      tx.insert('lane', row.id, newLane(row));
    });
  });

  const start = (slot: number): void => {
    if (slots[slot] !== null && slots[slot]?.isDead() === false) return;
    const count = ++starts[slot]!;
    slots[slot] = createProcess({
      name: `${slot}.${count}`,
      node: `00000000-0000-4000-8000-${String(slot).padStart(4, '0')}${String(count).padStart(8, '0')}`,
      time,
      history,
      database,
      receivers,
      chanceOf,
      settings,
    });
  };
  const processAt = (slot: number): SimulatedProcess | null => {
    const process = slots[slot % slots.length] ?? null;
    return process === null || process.isDead() ? null : process;
  };
  const running = (): SimulatedProcess[] =>
    slots.filter((process): process is SimulatedProcess => process?.isDead() === false);
  const outside = { time, history, chanceOf, processAt, slots: () => slots.length };
  const producers = createProducers(outside);
  const operators = createOperators({ ...outside, endpoints: plan.endpoints });

  const note = (fault: string, process: string | null, toMs = time.nowMs()): EventOf<'fault'> =>
    history.add<EventOf<'fault'>>({ kind: 'fault', fault, process, fromMs: time.nowMs(), toMs });

  /** Begins now and ends after `ms`, or with the storm. */
  const lasting = (event: EventOf<'fault'> | null, ms: number, end: () => void): void => {
    let isOver = false;
    const once = (): void => {
      if (isOver) return;
      isOver = true;
      if (event !== null) event.toMs = time.nowMs();
      end();
    };
    time.after(ms, once);
    calms.push(once);
  };

  const strike = (fault: Fault): void => {
    const process = 'slot' in fault ? processAt(fault.slot) : null;
    if ('slot' in fault && process === null) return;
    switch (fault.kind) {
      case 'crash':
        process!.crashAt(fault.effects, fault.side);
        process!.whenDead(() => time.after(fault.downMs, () => start(fault.slot)));
        return;
      case 'pause':
      case 'sleep': {
        if (process!.isPaused()) return;
        const fromMs = time.nowMs();
        process!.pause();
        return lasting(note(fault.kind, process!.name), fault.ms, () => {
          if (fault.kind === 'sleep') process!.lag(time.nowMs() - fromMs);
          process!.resume(chanceOf('resume')() < 0.5);
        });
      }
      case 'cut':
        process!.setCut(true);
        return lasting(note('cut', process!.name), fault.ms, () => process!.setCut(false));
      case 'drain': {
        const event = note('drain', process!.name, Infinity);
        process!.enter(() => {
          void process!.dispatcher.drain(fault.graceMs).then(() => {
            event.toMs = time.nowMs();
            process!.crash();
          });
        });
        process!.whenDead(() => time.after(fault.downMs, () => start(fault.slot)));
        return;
      }
      case 'wall':
        note('wall', process!.name);
        return process!.jumpWall(fault.byMs);
      case 'database-clock':
        note('database-clock', null);
        return database.jump(fault.byMs);
      case 'database-restart':
        database.setUp(false);
        return lasting(note('database-restart', null), fault.ms, () => database.setUp(true));
      case 'weather':
        database.setWeather(fault);
        return lasting(note('weather', null), fault.ms, () => database.setWeather(null));
      case 'receiver': {
        const id = endpointId(fault.endpoint);
        receivers.setMood(id, fault.mood);
        return lasting(null, fault.ms, () => receivers.setMood(id, null));
      }
      default:
        return fault satisfies never;
    }
  };

  const happen = (event: PlanEvent): void => {
    switch (event.kind) {
      case 'post':
        return producers.post(event);
      case 'change':
        return operators.change(event);
      default:
        return strike(event);
    }
  };

  slots.forEach((_, slot) => start(slot));
  for (const event of plan.events) time.at(event.atMs, () => happen(event));

  // Storm, calm -------------------------------------------------------------------------------------
  await time.run(() => false, plan.stormMs);
  for (const end of calms) end();
  slots.forEach((process, slot) => {
    process?.crashAt(Infinity, 'before');
    if (processAt(slot) === null) start(slot);
  });
  const rows = (): [string, LiveRow][] => database.look((tx) => tx.scan<LiveRow>('live'));
  plan.endpoints.forEach((_, index) => {
    operators.change({ slot: 0, endpoint: index, to: 'enabled' });
    // Or its lane would stand still for minutes.
    if (!receivers.isGone(endpointId(index))) return;
    const move = (): void => operators.change({ slot: 0, endpoint: index, to: 'moved' });
    move();
    // An owner that hands over while it is moved may still save what the old address said.
    time.after(2 * LEASE_MS, move);
  });
  const calmMs = time.nowMs();
  const isIdle = (): boolean => producers.waiting() === 0 && operators.waiting() === 0 && rows().length === 0;
  const everyMs = (ms: number, holds: () => boolean): (() => boolean) => {
    let nextMs = 0;
    return () => {
      if (time.nowMs() < nextMs) return false;
      nextMs = time.nowMs() + ms;
      return holds();
    };
  };
  // Somebody looks at what dead letters have blocked, and lets it go on.
  const isReleased = everyMs(RELEASE_MS, () => {
    plan.endpoints.forEach((_, index) => operators.release({ slot: 0, endpoint: index }));
    return true;
  });
  const isOver = everyMs(50, () => {
    isReleased();
    return isIdle();
  });
  let quietMs: number | null = null;
  while (quietMs === null && (await time.run(isOver, calmMs + CALM_MS))) {
    // What nobody waits for any more may still be on its way.
    await time.run(() => false, Math.max(time.nowMs(), calmMs + LEASE_MS) + STEADY_MS);
    if (isIdle()) quietMs = time.nowMs();
  }
  if (quietMs !== null) {
    const canaries = slots.flatMap((_, slot) =>
      Array.from({ length: plan.applications }, (__, application): Post => {
        const index = CANARY + slot * plan.applications + application;
        return {
          kind: 'post',
          atMs: time.nowMs(),
          index,
          slot,
          application,
          eventType: index % 2,
          identity: 'key',
          twin: false,
          bytes: 10,
          priority: null,
          orderingKey: null,
        };
      }),
    );
    for (const canary of canaries) {
      if (canary.index % 3 === 0) receivers.failOnce(canary.index);
      producers.post(canary);
    }
    await time.run(everyMs(20, isIdle), time.nowMs() + CANARY_MS);
    await time.run(
      everyMs(20, () => isIdle() && running().every((process) => memoryOf(process) === 0)),
      time.nowMs() + STATEMENT_MS,
    );
  }

  const left = rows()
    .slice(0, 5)
    .map(
      ([key, row]) =>
        `${key} is ${row.state}${row.node === null ? '' : ` by ${row.node} ${String(row.epoch)}`}`,
    );
  if (producers.waiting() > 0) left.push(`${producers.waiting()} posts are not answered`);
  if (operators.waiting() > 0) left.push(`${operators.waiting()} changes are not answered`);
  for (const process of running()) {
    if (memoryOf(process) > 0)
      left.push(`${process.name} has ${JSON.stringify(process.dispatcher.numbers())}`);
    process.crash();
  }
  return { history, plan, steps: time.steps(), calmMs, quietMs, left };
};
