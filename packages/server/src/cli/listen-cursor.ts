import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** What a listener has: everything up to the mark, and these above it. */
export type Cursor = { readonly mark: string | null; readonly seen: ReadonlySet<string> };

export const nothing: Cursor = { mark: null, seen: new Set() };

export const withSeen = ({ mark, seen }: Cursor, id: string): Cursor => ({
  mark,
  seen: new Set([...seen, id]),
});

/** The server has nothing more at or below the mark. Ids sort as text. */
export const withMark = ({ seen }: Cursor, mark: string): Cursor => ({
  mark,
  seen: new Set([...seen].filter((id) => id > mark)),
});

/** Kept on this machine, because the server keeps nothing about listeners. */
export type CursorFile = {
  readonly path: string;
  readonly cursor: Cursor;
  /** A process that still runs and uses it, or null. */
  readonly heldBy: number | null;
  /** Written whole or not at all; in the order of the calls. */
  readonly save: (cursor: Cursor) => Promise<void>;
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

const read = async (path: string): Promise<{ cursor: Cursor; pid: number } | null> => {
  try {
    const { mark, seen, pid } = JSON.parse(await readFile(path, 'utf8')) as {
      mark: string | null;
      seen: string[];
      pid: number;
    };
    return { cursor: { mark, seen: new Set(seen) }, pid };
  } catch {
    return null;
  }
};

/** The cursor of one server, application and endpoint. */
export const openCursor = async (
  directory: string,
  key: { readonly url: string; readonly application: string; readonly endpoint: string },
): Promise<CursorFile> => {
  const name = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 24);
  const path = join(directory, `${name}.json`);
  const found = await read(path);
  let last: Promise<void> = Promise.resolve();
  const write = async ({ mark, seen }: Cursor): Promise<void> => {
    const draft = `${path}.${process.pid}`;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(draft, `${JSON.stringify({ ...key, pid: process.pid, mark, seen: [...seen] })}\n`, {
      mode: 0o600,
    });
    await rename(draft, path);
  };
  return {
    path,
    cursor: found?.cursor ?? nothing,
    heldBy: found !== null && found.pid !== process.pid && isAlive(found.pid) ? found.pid : null,
    save: (cursor) => (last = last.then(() => write(cursor))),
  };
};
