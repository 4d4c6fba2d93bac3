import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** One process as the operating system shows it. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  /** Short name of the program. */
  readonly name: string;
  /** CPU time used so far, with that of its ended and reaped children. */
  readonly cpuMs: number;
}

/** Clock ticks a second in /proc; 100 on every Linux that Node runs on (USER_HZ). */
const tickMs = 10;

/** All processes: from /proc where there is one, else from `ps` (macOS). */
export function listProcesses(): ProcessEntry[] {
  if (process.platform === 'linux') {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => parseStat(readIfThere(`/proc/${pid}/stat`)))
      .filter((entry) => entry !== undefined);
  }
  const text = execFileSync('ps', ['-axo', 'pid=,ppid=,time=,comm='], { encoding: 'utf8' });
  return parsePs(text);
}

/** Parses one line of /proc/<pid>/stat; undefined when it is not one. */
export function parseStat(line: string): ProcessEntry | undefined {
  const nameEnd = line.lastIndexOf(')');
  const nameStart = line.indexOf('(');
  if (nameStart < 0 || nameEnd < nameStart) return undefined;
  const fields = line.slice(nameEnd + 2).split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
  if (!Number.isFinite(ticks)) return undefined;
  return {
    pid: Number.parseInt(line, 10),
    parent: Number(fields[1]),
    name: line.slice(nameStart + 1, nameEnd),
    cpuMs: ticks * tickMs,
  };
}

/** Parses `ps -axo pid=,ppid=,time=,comm=`; times are `[[hh:]mm:]ss[.cc]`. */
export function parsePs(text: string): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const line of text.split('\n')) {
    const [pid, parent, time, ...command] = line.trim().split(/\s+/);
    if (pid === undefined || parent === undefined || time === undefined) continue;
    const seconds = time.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
    const name = command.join(' ').split('/').at(-1) ?? '';
    entries.push({ pid: Number(pid), parent: Number(parent), name, cpuMs: seconds * 1000 });
  }
  return entries;
}

/** `root` and everything below it. */
export function processTree(entries: readonly ProcessEntry[], root: number): ProcessEntry[] {
  const found = new Set([root]);
  for (let before = 0; before !== found.size;) {
    before = found.size;
    for (const entry of entries) if (found.has(entry.parent)) found.add(entry.pid);
  }
  return entries.filter((entry) => found.has(entry.pid));
}

/** A file's text; empty when the process (or the right to read it) is gone. */
export function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
