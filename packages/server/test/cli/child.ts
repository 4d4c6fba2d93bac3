import type { ChildProcess } from 'node:child_process';

export type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** A command that runs or has ended: what it said and how it ended. */
export type Posthorn = {
  readonly pid: number;
  readonly out: () => string;
  readonly err: () => string;
  /** Resolves with what `find` finds in standard output; rejects, with all it said, when it ends before. */
  readonly said: <T>(find: (out: string) => T | null | undefined) => Promise<T>;
  /** The same for standard error. */
  readonly complained: <T>(find: (err: string) => T | null | undefined) => Promise<T>;
  readonly ended: Promise<Ended>;
  readonly signal: (signal: NodeJS.Signals) => void;
};

const PATIENCE_MS = 30_000;

type Found<T> = T | null | undefined;

/** Listens to a child with piped output, from its first word on. */
export const startProcess = (child: ChildProcess, name: string, onEnd: () => void): Posthorn => {
  const text = { out: '', err: '' };
  let end: Ended | null = null;
  const watchers = new Set<() => void>();
  const tell = (): void => {
    for (const watcher of [...watchers]) watcher();
  };
  for (const [key, stream] of [
    ['out', child.stdout],
    ['err', child.stderr],
  ] as const) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text[key] += chunk;
      tell();
    });
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', (error) => {
      onEnd();
      reject(error);
    });
    child.once('close', (code, signal) => {
      end = { code, signal };
      onEnd();
      tell();
      resolve(end);
    });
  });
  ended.catch(() => {});
  const story = (): string => `${name}\n--- standard output\n${text.out}\n--- standard error\n${text.err}`;

  const until = <T>(key: 'out' | 'err', find: (text: string) => Found<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const stop = (): void => {
        watchers.delete(look);
        clearTimeout(timer);
      };
      const look = (): void => {
        const found = find(text[key]);
        if (found !== null && found !== undefined) {
          stop();
          resolve(found);
        } else if (end !== null) {
          stop();
          reject(new Error(`It ended (${end.code ?? end.signal ?? ''}) before it said that: ${story()}`));
        }
      };
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`It did not say that within ${PATIENCE_MS} ms: ${story()}`));
      }, PATIENCE_MS);
      watchers.add(look);
      look();
    });

  return {
    pid: child.pid ?? 0,
    out: () => text.out,
    err: () => text.err,
    said: (find) => until('out', find),
    complained: (find) => until('err', find),
    ended,
    signal: (signal) => void child.kill(signal),
  };
};
