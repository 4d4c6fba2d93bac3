/** What a running server says of itself in postmaster.pid (PostgreSQL's src/include/utils/pidfile.h). */
export type PidFile = {
  readonly pid: number;
  /** 0 while it has none yet. */
  readonly port: number;
  readonly status: 'starting' | 'stopping' | 'ready' | 'standby' | 'unknown';
};

const STATUSES = ['starting', 'stopping', 'ready', 'standby'] as const;

/** Undefined when the text is empty or damaged. A line that is not written yet reads as unknown. */
export const parsePidFile = (text: string): PidFile | undefined => {
  const lines = text.split('\n').map((line) => line.trim());
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const port = Number(lines[3]);
  return {
    pid,
    port: Number.isInteger(port) && port > 0 && port < 65_536 ? port : 0,
    status: STATUSES.find((status) => status === lines[7]) ?? 'unknown',
  };
};

/**
 * The same file with another process number in front.
 *
 * A number that has passed to another process makes PostgreSQL refuse to start. Deleting the file would
 * also delete the shared memory's key in it, by which PostgreSQL notices server processes that outlived
 * their postmaster; so only the number changes, to one that PostgreSQL accepts as stale: its own parent's.
 */
export const withPid = (text: string, pid: number): string => text.replace(/^[^\n]*/, String(pid));
