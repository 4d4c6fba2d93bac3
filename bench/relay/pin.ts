import { execFileSync } from 'node:child_process';
import { readIfThere } from '../shared/process-table.ts';

/** Which processors the process under test gets, and which everything else. */
export interface Pinning {
  readonly subject: string;
  readonly others: string;
}

/**
 * One processor for the process under test and the others for the rest, or
 * undefined where that cannot be had (one processor, no `taskset`, not Linux).
 * Left alone, the kernel tends to put a receiver on the processor that woke it,
 * and the process under test then shares its core while another one idles.
 */
export function choosePinning(): Pinning | undefined {
  const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(readIfThere('/proc/self/status'))?.[1];
  const [first, ...rest] = parseCpuList(allowed ?? '');
  if (first === undefined || rest.length === 0) return undefined;
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return { subject: String(first), others: rest.join(',') };
}

/** Processor numbers of a list such as `0-2,7`. */
export function parseCpuList(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [from, to = from] = part.split('-');
    if (from === undefined || to === undefined || !/^\d+$/.test(from) || !/^\d+$/.test(to)) return [];
    const first = Number(from);
    return Array.from({ length: Number(to) - first + 1 }, (_, index) => first + index);
  });
}

/** Binds all threads of the processes; what they start later inherits it. A process that is gone is skipped. */
export function pin(pids: readonly number[], processors: string): void {
  for (const pid of pids) {
    try {
      execFileSync('taskset', ['-a', '-c', '-p', processors, String(pid)], { stdio: 'ignore' });
    } catch {
      continue;
    }
  }
}
