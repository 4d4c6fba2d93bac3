import { expect } from 'vitest';
import type { Options } from './calls.ts';
import { createCalls } from './calls.ts';
import type { Engine } from './engine.ts';
import { ENDPOINTS } from './engine.ts';
import type { Overlap, Step, Turn } from './step.ts';

/**
 * Runs a schedule on all engines side by side and compares, after every operation, what it
 * answered, whether it waited, and the full state.
 */
export const createHarness = (engines: readonly Engine[], startMs: number, options: Options = {}) => {
  const calls = createCalls(startMs, options, async () =>
    Number((await engines[0]!.state())['application']![0]!.split(' ')[1]),
  );

  const sameEverywhere = (what: string, values: readonly unknown[]): void => {
    for (const value of values.slice(1)) expect({ what, value }).toEqual({ what, value: values[0] });
  };

  const compareStates = async (after: string): Promise<void> => {
    const states = await Promise.all(engines.map((engine) => engine.state()));
    sameEverywhere(`state after ${after}`, states);
  };

  const outside = async (step: Step): Promise<boolean> => {
    for (const { outside: change } of engines) {
      switch (step.op) {
        case 'expireLeases':
          await change.expireLeases();
          break;
        case 'expireDraining':
          await change.expireDraining();
          break;
        case 'raiseConfig':
          await change.raiseConfig();
          break;
        case 'expunge': {
          const pair = calls.pairOf(step.pick);
          if (pair !== undefined) await change.expunge(pair.messageId);
          break;
        }
        default:
          return false;
      }
    }
    return true;
  };

  const rememberLanes = async (step: Step): Promise<void> => {
    if (step.op === 'readLanes') calls.sawLanes(await engines[0]!.store.loadLanes(ENDPOINTS));
  };

  const runAlone = async (step: Step): Promise<unknown> => {
    if (await outside(step)) return undefined;
    const prepared = await calls.prepare(step);
    if (prepared === null) return undefined;
    const answers = [];
    for (const { store } of engines) answers.push(await prepared.call(store));
    sameEverywhere(`answer of ${step.op}`, answers);
    prepared.learn?.(answers[0]);
    await rememberLanes(step);
    return answers[0];
  };

  const runOverlap = async ({ first, second, commit }: Overlap): Promise<void> => {
    const one = await calls.prepare(first);
    const two = await calls.prepare(second);
    if (one === null || two === null) return;
    const results = [];
    for (const engine of engines) {
      const held = await engine.hold();
      const firstAnswer = await one.call(held.store);
      let ended = false;
      const running = two.call(engine.store).finally(() => {
        ended = true;
      });
      const waited = await engine.waits(() => ended);
      await held.end(commit);
      results.push({ firstAnswer, waited, secondAnswer: await running });
    }
    sameEverywhere(
      `${first.op} held open (${commit ? 'committed' : 'rolled back'}) beside ${second.op}`,
      results,
    );
    if (commit) one.learn?.(results[0]!.firstAnswer);
    two.learn?.(results[0]!.secondAnswer);
    await rememberLanes(second);
  };

  /** `quietly` skips the comparison of states: for what other schedules have compared already. */
  const run = async (turn: Turn, quietly = false): Promise<void> => {
    if (turn.kind === 'alone') await runAlone(turn.step);
    else await runOverlap(turn);
    if (!quietly) await compareStates(JSON.stringify(turn));
  };

  /** A waiting delivery whose lane says later: nobody would look for it. */
  const expectHintsBelowDues = async (): Promise<void> => {
    const { live, lane } = await engines[0]!.state();
    const hints = new Map(lane!.map((row) => row.split(' ')).map(([endpointId, next]) => [endpointId, next]));
    for (const row of live!) {
      const values = row.split(' ');
      const [, endpointId, , state, , due] = values;
      const hint = hints.get(endpointId);
      // What stands in an order and has no time of its own: its owner raises no hint before it has looked.
      const [attempts, throttled, unknowns, , , , orderKey, seq] = values.slice(9);
      const tries = Number(attempts) + Number(throttled) + Number(unknowns);
      const isInLine = orderKey !== 'null' && seq !== 'null' && tries === 0;
      const right = state !== '"waiting"' || isInLine || hint === due || hint === '"now"';
      expect({ row, hint, right }).toEqual({ row, hint, right: true });
    }
  };

  /**
   * Nothing accepted may be stuck: once sweep and reconcile have run, what is held is really in the
   * memory of the node that holds it, and what waits has a lane that says so.
   */
  const expectNothingStuck = async (): Promise<void> => {
    await expectHintsBelowDues();
    await runAlone({ op: 'expireDraining' });
    await runAlone({ op: 'sweep' });
    await runAlone({ op: 'reconcile', node: 0 });
    await runAlone({ op: 'reconcile', node: 1 });
    await compareStates('the last sweep');
    await expectHintsBelowDues();
    for (const row of (await engines[0]!.state())['live']!) {
      const [messageId = '', endpointId = '', , state, , , , node = ''] = row
        .split(' ')
        .map((value) => value.replaceAll('"', ''));
      if (state !== 'held') continue;
      const isKnown = calls.isRemembered(node, messageId, endpointId);
      expect({ row, isKnown }).toEqual({ row, isKnown: true });
    }
  };

  return {
    start: async (): Promise<void> => {
      for (const engine of engines) await engine.reset();
    },
    run,
    expectNothingStuck,
  };
};
