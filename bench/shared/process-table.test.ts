import { describe, expect, it } from 'vitest';
import { listProcesses, parsePs, parseStat, processTree } from './process-table.ts';

describe('parseStat', () => {
  it('adds own and reaped time, whatever the program is called', () => {
    const line = '4711 (a) b (c)) S 17 4711 4711 0 -1 4194304 100 0 0 0 250 50 7 3 20 0 11 0 1 1 1 1';
    expect(parseStat(line)).toEqual({ pid: 4711, parent: 17, name: 'a) b (c)', cpuMs: 3100 });
  });

  it('has nothing to say about an ended process', () => {
    expect(parseStat('')).toBeUndefined();
  });
});

describe('parsePs', () => {
  it('reads the times of macOS and of Linux', () => {
    const text = `  501     1   1:02.50 /usr/local/bin/node\n  502   501 01:00:01 postgres: writer\n`;
    expect(parsePs(text)).toEqual([
      { pid: 501, parent: 1, name: 'node', cpuMs: 62_500 },
      { pid: 502, parent: 501, name: 'postgres: writer', cpuMs: 3_601_000 },
    ]);
  });
});

describe('processTree', () => {
  it('finds descendants in whatever order they are listed', () => {
    const entry = (pid: number, parent: number) => ({ pid, parent, name: 'x', cpuMs: 0 });
    const entries = [entry(4, 3), entry(3, 2), entry(2, 1), entry(9, 1), entry(1, 0)];
    expect(processTree(entries, 2).map(({ pid }) => pid)).toEqual([4, 3, 2]);
  });
});

describe('listProcesses', () => {
  it('knows this process and that it has used time', () => {
    const own = listProcesses().find(({ pid }) => pid === process.pid);
    expect(own?.parent).toBe(process.ppid);
    expect(own?.cpuMs).toBeGreaterThan(0);
  });
});
