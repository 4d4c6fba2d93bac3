import { writeSync } from 'node:fs';
import type { Attempter } from '../../src/attempt/attempter.ts';
import type { DispatchStore } from '../../src/dispatch/port.ts';
import type { IngestStore } from '../../src/ingest/port.ts';
import { nowMs } from './changes.ts';

/** The real parts of a server, taken and given back changed. */
export type Decorate = {
  readonly ingestStore?: (store: IngestStore) => IngestStore;
  readonly dispatchStore?: (store: DispatchStore) => DispatchStore;
  readonly attempter?: (attempter: Attempter) => Attempter;
};

/** What an event in the process under test is told by: one line of JSON on standard output. */
export type Say = (event: string, count: number) => void;

/** Ends this process as a power cut would: nothing after the call runs. */
const die = (): void => {
  writeSync(1, `${JSON.stringify({ crash: { event: 'dying', atMs: nowMs() } })}\n`);
  process.kill(process.pid, 'SIGKILL');
};

/** Runs `die` at the n-th call that it is asked about. */
const createFuse = (at: number): (() => void) => {
  let calls = 0;
  return () => {
    calls++;
    if (calls === at) die();
  };
};

/** Moments at which a process may die, between the parts of the real server. */
export const points = {
  /** The insert is not sent. */
  'before-commit': (fuse: () => void): Decorate => ({
    ingestStore: (store) => ({
      ...store,
      insertMessages: (node, batch) => {
        fuse();
        return store.insertMessages(node, batch);
      },
    }),
  }),
  /** The insert has committed; nothing of it is answered or in a lane. */
  'after-commit': (fuse: () => void): Decorate => ({
    ingestStore: (store) => ({
      ...store,
      insertMessages: async (node, batch) => {
        const reply = await store.insertMessages(node, batch);
        if (reply.kind === 'done') fuse();
        return reply;
      },
    }),
  }),
  /** The receiver has answered; nobody but the attempt knows. */
  'after-send': (fuse: () => void): Decorate => ({
    attempter: (attempter) => ({
      ...attempter,
      deliver: async (request) => {
        const report = await attempter.deliver(request);
        fuse();
        return report;
      },
    }),
  }),
  /** The verdict is made; the settle is not sent. */
  'before-settle': (fuse: () => void): Decorate => ({
    dispatchStore: (store) => ({
      ...store,
      settle: (node, batch) => {
        fuse();
        return store.settle(node, batch);
      },
    }),
  }),
  /** The settle has committed; the lane does not know. */
  'after-settle': (fuse: () => void): Decorate => ({
    dispatchStore: (store) => ({
      ...store,
      settle: async (node, batch) => {
        const reply = await store.settle(node, batch);
        if (reply.kind === 'done') fuse();
        return reply;
      },
    }),
  }),
  /** Due rows are held by this process; they are in no lane yet. */
  'after-poll': (fuse: () => void): Decorate => ({
    dispatchStore: (store) => ({
      ...store,
      poll: async (input) => {
        const rows = await store.poll(input);
        if (rows.length > 0) fuse();
        return rows;
      },
    }),
  }),
  /** What the process before left behind is free again. */
  'after-takeover': (fuse: () => void): Decorate => ({
    dispatchStore: (store) => ({
      ...store,
      takeOver: async (input) => {
        const count = await store.takeOver(input);
        if (count > 0) fuse();
        return count;
      },
    }),
  }),
} as const;

export type Point = keyof typeof points;

const isPoint = (name: string): name is Point => Object.hasOwn(points, name);

/** Reads `point:n`: die at the n-th time. */
export const parsePoint = (text: string): Decorate => {
  const [name = '', count = ''] = text.split(':');
  if (!isPoint(name) || !(Number(count) >= 1)) throw new Error(`No crash point: ${text}`);
  return points[name](createFuse(Number(count)));
};

/** The part of a lease after which its owner may have stopped by itself. */
const LATE = 0.85;

/** Tells of what the store's nets and fences caught, and of leases that were renewed too late (count: ms since the last). */
export const watch = (say: Say): Decorate => {
  const tell = <Input>(event: string, run: (input: Input) => Promise<number>) => {
    return async (input: Input): Promise<number> => {
      const count = await run(input);
      if (count > 0) say(event, count);
      return count;
    };
  };
  let lastMs = Infinity;
  return {
    dispatchStore: (store) => ({
      ...store,
      heartbeat: async (input) => {
        const sentMs = nowMs();
        const lease = await store.heartbeat(input);
        const goneMs = nowMs() - lastMs;
        if (goneMs > input.leaseMs * LATE) say('lapsed', goneMs);
        lastMs = sentMs;
        return lease;
      },
      takeOver: tell('takeOver', store.takeOver),
      sweep: tell('sweep', store.sweep),
      reconcile: tell('reconcile', store.reconcile),
      settle: async (node, batch) => {
        const reply = await store.settle(node, batch);
        const lost =
          reply.kind === 'done' ? reply.outcomes.filter((outcome) => outcome === 'lost').length : 0;
        if (lost > 0) say('lost', lost);
        return reply;
      },
    }),
  };
};

const chain = <Part>(...changes: readonly (((part: Part) => Part) | undefined)[]) => {
  const steps = changes.filter((change) => change !== undefined);
  return (part: Part): Part => steps.reduce((changed, change) => change(changed), part);
};

/** All of them, the first one innermost. */
export const combine = (all: readonly Decorate[]): Required<Decorate> => ({
  ingestStore: chain(...all.map((one) => one.ingestStore)),
  dispatchStore: chain(...all.map((one) => one.dispatchStore)),
  attempter: chain(...all.map((one) => one.attempter)),
});
