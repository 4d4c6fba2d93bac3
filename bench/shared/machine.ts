import { cpus, totalmem } from 'node:os';

/** What figures of a run must be read beside. */
export const machine = (): Readonly<Record<string, string | number>> => ({
  processors: cpus().length,
  model: cpus()[0]?.model ?? 'unknown',
  memoryGb: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  date: new Date().toISOString().slice(0, 10),
});
