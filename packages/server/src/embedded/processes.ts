import { execFile } from 'node:child_process';
import { readFile, readdir, readlink } from 'node:fs/promises';

const onLinux = process.platform === 'linux';

const readOr = async (read: Promise<string>): Promise<string | undefined> => {
  try {
    return await read;
  } catch {
    return undefined;
  }
};

const ps = (pid: number, columns: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    execFile('/bin/ps', ['-ww', '-o', columns, '-p', String(pid)], (error, stdout) => {
      resolve(error ? undefined : stdout.trim());
    });
  });

/** State letter and start time (clock ticks since boot) from a /proc/PID/stat line; see proc_pid_stat(5). */
export const parseStat = (
  line: string,
): { readonly state: string; readonly startTicks: string } | undefined => {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  const startTicks = fields[19];
  return state === undefined || state === '' || startTicks === undefined ? undefined : { state, startTicks };
};

/**
 * A name for the process that now has this number, different from that of any later process with the
 * same number. Undefined when there is none; a zombie counts as none.
 */
export const identityOf = async (pid: number): Promise<string | undefined> => {
  if (!onLinux) {
    const line = await ps(pid, 'stat=,lstart=');
    return line === undefined || line === '' || line.startsWith('Z')
      ? undefined
      : line.replace(/^\S+\s+/, 'ps:');
  }
  const [stat, boot] = await Promise.all([
    readOr(readFile(`/proc/${pid}/stat`, 'utf8')),
    readOr(readFile('/proc/sys/kernel/random/boot_id', 'utf8')),
  ]);
  const parsed = stat === undefined ? undefined : parseStat(stat);
  if (parsed === undefined || parsed.state === 'Z' || parsed.state === 'X') return undefined;
  return `${boot?.trim() ?? 'boot'}:${parsed.startTicks}`;
};

/** Whether `pid` is a PostgreSQL server process of the cluster in `directory` (an absolute, resolved path). */
export const isPostgresIn = async (pid: number, directory: string): Promise<boolean> => {
  if (!onLinux) {
    const command = await ps(pid, 'command=');
    return command !== undefined && /\bpostgres\b/.test(command) && command.includes(`-D ${directory} `);
  }
  const [workingDirectory, name] = await Promise.all([
    readOr(readlink(`/proc/${pid}/cwd`)),
    readOr(readFile(`/proc/${pid}/comm`, 'utf8')),
  ]);
  return workingDirectory === directory && /^post(gres|master)\b/.test(name ?? '');
};

/** All live server processes of the cluster in `directory`. Only Linux can tell; elsewhere the list is empty. */
export const postgresProcessesIn = async (directory: string): Promise<number[]> => {
  if (!onLinux) return [];
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) =>
      (await isPostgresIn(pid, directory)) && (await identityOf(pid)) !== undefined ? [pid] : [],
    ),
  );
  return found.flat();
};

/** Sends a signal; a process that is gone already is no error. */
export const sendSignal = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
};
