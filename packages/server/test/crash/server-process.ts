import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createChanges, nowMs } from './changes.ts';
import type { PlantedBug } from './planted.ts';
import type { Point } from './points.ts';

const entry = fileURLToPath(new URL('./server-entry.ts', import.meta.url));
/** Half of a start is compiling; a kill must not make the next process do it again. */
const compileCache = fileURLToPath(new URL('../../../../node_modules/.cache/crash', import.meta.url));

export type ServerPlan = {
  readonly databaseUrl: string;
  readonly port: number;
  readonly dieAt?: { readonly point: Point; readonly count: number };
  readonly plant?: PlantedBug;
  /** Another version's server-entry.ts. */
  readonly entry?: string;
  /** Further settings, by environment variable. */
  readonly settings?: Readonly<Record<string, string>>;
};

/** What the process under test told of itself; see server-entry.ts. */
export type Told = { readonly event: string; readonly count?: number; readonly atMs: number };

/** One process with a real server in it. */
export type ServerProcess = {
  readonly url: string;
  readonly pid: number;
  readonly told: () => readonly Told[];
  readonly until: (what: string, isTrue: () => boolean, timeoutMs?: number) => Promise<void>;
  /** Resolves once it has said that it listens; rejects with its last words when it ends before. */
  readonly ready: Promise<void>;
  /** Resolves when the process is gone, with how and when. */
  readonly ended: Promise<{
    readonly code: number | null;
    readonly signal: string | null;
    readonly atMs: number;
  }>;
  /** Sends a signal; nothing when it has ended. */
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Whether it was sent SIGSTOP. */
  readonly wasStopped: () => boolean;
  /** When it was sent SIGKILL or killed itself; null: neither. */
  readonly killedMs: () => number | null;
  /** Its last output, for error messages. */
  readonly words: () => string;
};

export const jwtSecret = 'a secret of the crash tests, signs their tokens';
const LEASE_SECONDS = 3;
const PATIENCE_MS = 20_000;
/** Half a dozen start at once, and the machine may be busy with others. */
const START_MS = 60_000;
const WORDS = 60;

const settings: Readonly<Record<string, string>> = {
  POSTHORN_JWT_SECRET: jwtSecret,
  POSTHORN_MAIN_SECRET: 'a main secret of the crash tests, 32 bytes or more',
  POSTHORN_HTTPS_ONLY: 'false',
  POSTHORN_ALLOW_SUBNETS: '127.0.0.0/8',
  POSTHORN_RETRY_SCHEDULE: Array.from({ length: 12 }, () => '0.3').join(','),
  POSTHORN_LEASE: String(LEASE_SECONDS),
  POSTHORN_STATEMENT_TIMEOUT: '1.5',
  POSTHORN_GRACE: '8',
  POSTHORN_DATABASE_POOL: '6',
  POSTHORN_LOG_LEVEL: 'warn',
  POSTHORN_ADVERTISE: '127.0.0.1',
};

const environment = (plan: ServerPlan): Record<string, string | undefined> => {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(POSTHORN_|CRASH_|DATABASE_URL|NODE_OPTIONS|VITEST|PG)/.test(name),
  );
  return {
    ...Object.fromEntries(inherited),
    ...settings,
    NODE_COMPILE_CACHE: compileCache,
    DATABASE_URL: plan.databaseUrl,
    POSTHORN_LISTEN: `127.0.0.1:${plan.port}`,
    ...(plan.dieAt === undefined ? {} : { CRASH_AT: `${plan.dieAt.point}:${plan.dieAt.count}` }),
    ...(plan.plant === undefined ? {} : { CRASH_PLANT: plan.plant }),
    ...plan.settings,
  };
};

const endOf = (child: ChildProcess): ServerProcess['ended'] =>
  new Promise((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null, atMs: nowMs() }));
    child.once('exit', (code, signal) => resolve({ code, signal, atMs: nowMs() }));
  });

/** Starts the process under test. Whatever happens, {@link endAll} ends it. */
export const startProcess = (plan: ServerPlan): ServerProcess => {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', plan.entry ?? entry], {
    env: environment(plan),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const words: string[] = [];
  const told: Told[] = [];
  let isEnded = false;
  let wasStopped = false;
  let killedMs: number | null = null;
  const changes = createChanges(() => `the server said:\n${words.join('\n')}`);
  const hear = (line: string): void => {
    words.push(line.slice(0, 2_000));
    if (words.length > WORDS) words.shift();
    if (!line.startsWith('{"crash":')) return;
    told.push((JSON.parse(line) as { crash: Told }).crash);
    changes.tell();
  };
  createInterface({ input: child.stdout }).on('line', hear);
  createInterface({ input: child.stderr }).on('line', hear);
  child.stdin.on('error', () => {});
  const ended = endOf(child);
  const isReady = (): boolean => told.some(({ event }) => event === 'ready');
  const ready = Promise.race([
    changes.until('the server to be ready', isReady, START_MS),
    ended.then(({ code, signal }) => {
      if (!isReady())
        throw new Error(`The server ended (${code ?? signal ?? 'not started'}):\n${words.join('\n')}`);
    }),
  ]);
  // Not everybody waits for it.
  ready.catch(() => {});
  const running: ServerProcess = {
    url: `http://127.0.0.1:${plan.port}`,
    pid: child.pid ?? 0,
    told: () => told,
    until: (what, isTrue, timeoutMs = PATIENCE_MS) => changes.until(what, isTrue, timeoutMs),
    ready,
    ended,
    wasStopped: () => wasStopped,
    killedMs: () => told.find(({ event }) => event === 'dying')?.atMs ?? killedMs,
    signal: (signal) => {
      wasStopped ||= signal === 'SIGSTOP';
      if (signal === 'SIGKILL') killedMs ??= nowMs();
      if (!isEnded) child.kill(signal);
    },
    words: () => words.join('\n'),
  };
  processes.add(running);
  void ended.then(() => {
    isEnded = true;
    processes.delete(running);
    changes.tell();
  });
  return running;
};

const processes = new Set<ServerProcess>();

/** Ends these processes at once, also stopped ones, and waits for it. */
export const endAll = async (which: Iterable<ServerProcess>): Promise<void> => {
  for (const one of [...which]) {
    one.signal('SIGKILL');
    await one.ended;
  }
};

process.once('exit', () => {
  for (const one of processes) one.signal('SIGKILL');
});

/** Looks again and again until it is true. */
export const poll = async (
  what: string,
  isTrue: () => Promise<boolean>,
  timeoutMs = PATIENCE_MS,
): Promise<void> => {
  const giveUpAt = nowMs() + timeoutMs;
  while (!(await isTrue())) {
    if (nowMs() > giveUpAt) throw new Error(`Waited ${timeoutMs} ms in vain for ${what}`);
    await pause(20);
  }
};
