import { execFileSync } from 'node:child_process';
import { monotonicMs } from './monotonic.ts';
import { listProcesses, type ProcessEntry, processTree, readIfThere } from './process-table.ts';

/** Processes whose CPU is added up, by the part they play. */
export interface Parts {
  /** Root of the process under test; PostgreSQL below it counts as `postgres`. */
  readonly node: number;
  /** The postmaster, where there is one (it may not be below the process under test). */
  readonly postmaster: number | undefined;
  readonly generator: number;
  readonly receiver: number;
}

/** CPU time used so far, milliseconds. */
export interface CpuSnapshot {
  readonly atMs: number;
  readonly node: number;
  readonly postgres: number;
  readonly generator: number;
  readonly receiver: number;
  /** How long the main thread of the process under test was ready but had no processor; 0 where unknown. */
  readonly starved: number;
}

/** CPU time of all parts at this moment. */
export function cpuSnapshot(parts: Parts): CpuSnapshot {
  const entries = listProcesses();
  const of = (pid: number): number => entries.find((entry) => entry.pid === pid)?.cpuMs ?? 0;
  const { node, postgres } = groups(parts, entries);
  return {
    atMs: monotonicMs(),
    node: node.reduce((sum, pid) => sum + of(pid), 0),
    postgres: postgres.reduce((sum, pid) => sum + of(pid), 0),
    generator: of(parts.generator),
    receiver: of(parts.receiver),
    starved: Number(readIfThere(`/proc/${parts.node}/schedstat`).split(' ')[1] ?? 0) / 1e6,
  };
}

/** Process ids of the process under test and of its PostgreSQL, with all below them. */
export function groupsOf(parts: Parts): { node: number[]; postgres: number[] } {
  return groups(parts, listProcesses());
}

/** Memory in MB: PSS where the system tells it (shared pages counted once), else RSS. */
export interface Memory {
  readonly kind: 'pss' | 'rss';
  readonly nodeMb: number;
  readonly postgresMb: number;
}

/** Memory of the process under test and of its PostgreSQL at this moment. */
export function memory(parts: Parts): Memory {
  const { node, postgres } = groupsOf(parts);
  const all = [...node, ...postgres];
  const kind = all.every((pid) => pssMb(pid) !== undefined) ? 'pss' : 'rss';
  const sum = (pids: number[]): number =>
    pids.reduce((total, pid) => total + ((kind === 'pss' ? pssMb(pid) : rssMb(pid)) ?? 0), 0);
  return { kind, nodeMb: sum(node), postgresMb: sum(postgres) };
}

function groups(parts: Parts, entries: readonly ProcessEntry[]): { node: number[]; postgres: number[] } {
  const below = processTree(entries, parts.node);
  const database =
    parts.postmaster === undefined
      ? below.filter((entry) => entry.name.startsWith('postgres'))
      : processTree(entries, parts.postmaster);
  const databasePids = new Set(database.map(({ pid }) => pid));
  return {
    node: below.map(({ pid }) => pid).filter((pid) => !databasePids.has(pid)),
    postgres: [...databasePids],
  };
}

function pssMb(pid: number): number | undefined {
  const match = /^Pss:\s+(\d+) kB/m.exec(readIfThere(`/proc/${pid}/smaps_rollup`));
  return match?.[1] === undefined ? undefined : Number(match[1]) / 1024;
}

function rssMb(pid: number): number | undefined {
  const match = /^VmRSS:\s+(\d+) kB/m.exec(readIfThere(`/proc/${pid}/status`));
  if (match?.[1] !== undefined) return Number(match[1]) / 1024;
  if (process.platform === 'linux') return undefined;
  try {
    const text = execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' });
    return Number.parseInt(text, 10) / 1024;
  } catch {
    return undefined;
  }
}
