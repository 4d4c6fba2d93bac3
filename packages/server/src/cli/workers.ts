import cluster, { type Worker } from 'node:cluster';
import { availableParallelism } from 'node:os';
import type { ExitCode } from './output.ts';

/** What a worker is told before it begins. */
export type WorkerTask = {
  /** Its identity in the database, chosen here: known when it has died, however early. */
  readonly node: { readonly id: string; readonly name: string };
  readonly databaseUrl: string;
};

type ToWorker = { readonly kind: 'start'; readonly task: WorkerTask } | { readonly kind: 'go' };
type FromWorker = { readonly kind: 'ready'; readonly url: string } | { readonly kind: 'done' };

export type WorkerPool = {
  /** Resolves with the address once all workers serve; rejects never. */
  readonly ready: Promise<string>;
  /** Resolves with an exit code when the workers refuse to run: their configuration is wrong. */
  readonly refused: Promise<ExitCode>;
  /** Replaces one worker after the other; each new one serves before its predecessor is asked to end. */
  readonly reload: () => Promise<void>;
  /** Asks all to end and waits for it. */
  readonly stop: () => Promise<void>;
};

export type PoolDeps = {
  readonly count: number;
  /** The program that workers run: this one. */
  readonly program: string;
  readonly taskOf: (number: number) => WorkerTask;
  /** A worker is gone, reaped by the system: nothing of it is at work any more. Never rejects. */
  readonly onDeath: (nodeId: string) => Promise<void>;
  /** Who has not ended so long after being asked, and some more, is killed. */
  readonly graceMs: number;
  readonly monotonicMs: () => number;
  readonly log: (level: 'info' | 'warn', fields: object, text: string) => void;
};

type Member = {
  readonly worker: Worker;
  readonly nodeId: string;
  readonly startedMs: number;
  readonly ready: Promise<boolean>;
  settle: (isReady: boolean) => void;
  isReady: boolean;
  /** Asked to end: nobody comes in its place. */
  isLeaving: boolean;
};

const REFUSED = 2;
const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 5_000;
/** A worker that lived for so long did not fail at its start. */
const STEADY_MS = 30_000;
const KILL_SLACK_MS = 10_000;
/** For a supervisor that does not answer any more. */
const FAREWELL_MS = 1_000;

/** How many workers `--workers` asks for. */
export const workerCount = (setting: string): number =>
  setting === 'auto' ? availableParallelism() : Number(setting);

/**
 * Keeps workers alive: processes of this program that share one listening address (node:cluster hands
 * connections out in turn) and one database. This process only watches; it accepts no requests itself.
 */
export const superviseWorkers = (deps: PoolDeps): WorkerPool => {
  const members = new Set<Member>();
  let started = 0;
  let failures = 0;
  let isStopping = false;
  let refuse: (code: ExitCode) => void = () => {};
  const refused = new Promise<ExitCode>((resolve) => (refuse = resolve));
  let serve: (url: string) => void = () => {};
  const ready = new Promise<string>((resolve) => (serve = resolve));
  const timers = new Set<NodeJS.Timeout>();

  cluster.setupPrimary({ exec: deps.program, args: process.argv.slice(2) });

  const later = (delayMs: number, run: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, delayMs);
    timers.add(timer);
  };

  const spawn = (): Member => {
    const task = deps.taskOf(++started);
    const worker = cluster.fork();
    let settle: (isReady: boolean) => void = () => {};
    const isUp = new Promise<boolean>((resolve) => (settle = resolve));
    const member: Member = {
      worker,
      nodeId: task.node.id,
      startedMs: deps.monotonicMs(),
      ready: isUp,
      settle,
      isReady: false,
      isLeaving: false,
    };
    members.add(member);
    // One that dies before it listens to us is met by its exit.
    worker.on('error', () => {});
    worker.send({ kind: 'start', task } satisfies ToWorker);
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'done') return void worker.send({ kind: 'go' } satisfies ToWorker, () => {});
      member.isReady = true;
      member.settle(true);
      deps.log('info', { worker: worker.process.pid, node: task.node.name }, 'a worker serves');
      if ([...members].filter((one) => one.isReady).length >= deps.count) serve(message.url);
    });
    worker.on('exit', (code, signal) => void onExit(member, code, signal));
    return member;
  };

  const onExit = async (member: Member, code: number | null, signal: string | null): Promise<void> => {
    const isCrash = !member.isLeaving && !isStopping;
    const pid = member.worker.process.pid;
    if (isCrash) deps.log('warn', { worker: pid, code, signal }, 'a worker ended unexpectedly');
    await deps.onDeath(member.nodeId);
    members.delete(member);
    member.settle(false);
    if (!isCrash || isStopping) return;
    if (code === REFUSED && !member.isReady) return refuse(REFUSED);
    if (members.size >= deps.count) return;
    failures = deps.monotonicMs() - member.startedMs > STEADY_MS ? 0 : failures + 1;
    later(Math.min(BACKOFF_MIN_MS * 2 ** failures, BACKOFF_MAX_MS), () => {
      if (!isStopping) spawn();
    });
  };

  const end = (member: Member): Promise<void> =>
    new Promise((resolve) => {
      if (member.worker.isDead()) return resolve();
      member.isLeaving = true;
      const kill = (): void => void member.worker.process.kill('SIGKILL');
      const killing = setTimeout(kill, deps.graceMs + KILL_SLACK_MS);
      member.worker.once('exit', () => {
        clearTimeout(killing);
        resolve();
      });
      member.worker.process.kill('SIGTERM');
    });

  const replaceAll = async (): Promise<void> => {
    for (const old of [...members]) {
      if (isStopping) return;
      const fresh = spawn();
      if (!(await fresh.ready)) {
        deps.log('warn', {}, 'a new worker did not come up; the old ones stay');
        return;
      }
      await end(old);
    }
    deps.log('info', {}, 'all workers are replaced');
  };

  for (let i = 0; i < deps.count; i++) spawn();
  let reloading: Promise<void> = Promise.resolve();
  return {
    ready,
    refused,
    reload: () => (reloading = reloading.then(replaceAll)),
    stop: async () => {
      isStopping = true;
      for (const timer of timers) clearTimeout(timer);
      await Promise.all([...members].map(end));
    },
  };
};

/** This process as a worker of a pool; null when it is none. */
export const workerLink = (): {
  /** Resolves with what the supervisor has told. */
  readonly task: Promise<WorkerTask>;
  readonly ready: (url: string) => void;
  /**
   * Once this worker serves nobody any more: resolves when no connection that the supervisor handed to it before
   * it knew is still on its way. Those are given back; with the process they would be lost.
   */
  readonly farewell: () => Promise<void>;
} | null => {
  if (!cluster.isWorker) return null;
  return {
    task: new Promise((resolve) => {
      process.once('message', (message: ToWorker) => {
        if (message.kind === 'start') resolve(message.task);
      });
    }),
    ready: (url) => void process.send?.({ kind: 'ready', url } satisfies FromWorker),
    farewell: () =>
      new Promise((resolve) => {
        setTimeout(resolve, FAREWELL_MS).unref();
        process.once('message', () => resolve());
        process.send?.({ kind: 'done' } satisfies FromWorker);
      }),
  };
};
