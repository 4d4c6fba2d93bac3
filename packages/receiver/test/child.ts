import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export type Child = {
  readonly process: ChildProcess;
  /** The next line that it prints, as JSON; rejects when it ends before. */
  readonly line: () => Promise<unknown>;
  /** kill -9, and waits for its end. */
  readonly kill: () => Promise<void>;
};

/** Runs a TypeScript file of the tests in a process of its own. */
export const startChild = (file: URL, args: readonly string[]): Child => {
  const child = spawn(process.execPath, [fileURLToPath(file), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    process: child,
    line: async () => {
      const next = await lines.next();
      if (next.done === true) throw new Error(`${file.pathname} ended`);
      return JSON.parse(next.value) as unknown;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
};
