// A program of the documentation as a process that a test can talk to, kill and start again.
import { type ChildProcess, spawn } from 'node:child_process';
import { connect } from 'node:net';

export type Running = {
  /** All it has printed, on both streams. */
  readonly said: () => string;
  /** Resolves once it has printed this; rejects, with all it said, when it ends first or after 20 s. */
  readonly saysSoon: (text: string) => Promise<void>;
  /** Resolves once its port is open; rejects like `saysSoon`. */
  readonly listening: (port: number) => Promise<void>;
  /** Resolves with the exit code of the first of its processes that ends. */
  readonly ended: Promise<number | null>;
  /** Resolves once it has ended with 0; rejects, with all it said, when it ends otherwise. */
  readonly endsWell: () => Promise<void>;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** SIGKILL: it gets no chance to save anything. */
  readonly kill: () => Promise<void>;
};

const PATIENCE_MS = 20_000;
/** What the test runner leaves in the environment and no program has to see. */
const OURS = /^(NODE_|VITEST|TEST|npm_|POSTHORN_|DATABASE_URL|FORCE_COLOR|NO_COLOR)/;

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

export const start = (
  commands: readonly (readonly string[])[],
  env: Readonly<Record<string, string>>,
  cwd?: string,
): Running => {
  const inherited = Object.entries(process.env).filter(([name]) => !OURS.test(name));
  const children = commands.map(([command = '', ...args]): ChildProcess =>
    spawn(
      command,
      args.map((arg) => arg.replace('PORT', env['PORT'] ?? '')),
      { cwd, env: { ...Object.fromEntries(inherited), ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
    ),
  );
  const name = (commands[0] ?? []).join(' ');
  let text = '';
  const closed = children.map((child) => {
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    return new Promise<number | null>((resolve) => {
      child.once('close', resolve).once('error', (error) => {
        text += String(error);
        resolve(null);
      });
    });
  });
  const ended = Promise.race(closed);
  let hasEnded = false;
  void ended.then(() => (hasEnded = true));
  const until = async (what: string, holds: () => Promise<boolean> | boolean): Promise<void> => {
    const endMs = performance.now() + PATIENCE_MS;
    while (!(await holds())) {
      if (hasEnded || performance.now() > endMs)
        throw new Error(`${name} ${hasEnded ? 'ended' : 'went on'} without ${what}:\n${text}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const signal = (name: NodeJS.Signals): void => children.forEach((child) => void child.kill(name));
  return {
    said: () => text,
    saysSoon: (wanted) => until(`saying ${wanted}`, () => text.includes(wanted)),
    listening: (port) => until(`listening on ${port}`, () => isOpen(port)),
    ended,
    endsWell: async () => {
      const code = await ended;
      if (code !== 0) throw new Error(`${name} ended with ${String(code)}:\n${text}`);
    },
    signal,
    kill: async () => {
      signal('SIGKILL');
      await Promise.all(closed);
    },
  };
};
