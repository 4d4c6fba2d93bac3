import type { Clock, Random } from '../clock.ts';
import type { ExitCode, Streams } from './output.ts';
import type { Printer } from './printer.ts';
import type { Flags } from './program.ts';
import type { StopRequest } from './signals.ts';

/** What surrounds a command; handed in so that tests decide it. */
export type Surroundings = {
  readonly streams: Streams;
  readonly clock: Clock;
  readonly random: Random;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** Whether a person sits at standard input, and reads standard output and standard error. */
  readonly terminal: { readonly input: boolean; readonly output: boolean; readonly errors: boolean };
  /** Everything on standard input. */
  readonly readInput: () => Promise<Buffer>;
  /** From the first call on, signals ask the command to end instead of ending it. */
  readonly stop: () => StopRequest;
  /** Where `posthorn dev` keeps its data, unless a flag says otherwise. */
  readonly dataDir: (flags: Flags) => string;
};

export type ToolInput = Surroundings & {
  readonly args: readonly string[];
  readonly flags: Flags;
  readonly print: Printer;
};

/** A command that is made of a table row, so that help, completion and docs know all of it. */
export type Tool = {
  /** Words and arguments as commander takes them: `endpoints get <endpoint>`. */
  readonly usage: string;
  readonly summary: string;
  readonly options: readonly (readonly [flags: string, help: string])[];
  readonly run: (input: ToolInput) => Promise<ExitCode>;
};

/** Ends a command with a sentence for people: what happened and why, then what to do. */
export class ToolFailure extends Error {
  override readonly name = 'ToolFailure';
  readonly exitCode: ExitCode;
  readonly code: string;
  readonly next: string | null;
  /** Of HTTP, where the server refused. */
  readonly status: number | null;
  constructor(
    exitCode: ExitCode,
    code: string,
    message: string,
    next: string | null = null,
    status: number | null = null,
  ) {
    super(message);
    this.exitCode = exitCode;
    this.code = code;
    this.next = next;
    this.status = status;
  }
}

export const usage = (message: string, next: string | null = null): ToolFailure =>
  new ToolFailure(2, 'usage', message, next);

/** A flag's text; undefined when it was not given. */
export const text = (flags: Flags, name: string): string | undefined => {
  const value = flags[name];
  return value === undefined || typeof value === 'boolean' ? undefined : value;
};

/** A flag's number within bounds. @throws ToolFailure when it is none. */
export const number = (
  flags: Flags,
  name: string,
  fallback: number,
  [least, most]: readonly [number, number],
): number => {
  const given = text(flags, name);
  const value = given === undefined ? fallback : Number(given);
  if (given?.trim() === '' || !(value >= least && value <= most))
    throw usage(
      `--${kebab(name)} must be a number from ${least} ${most === Infinity ? 'on' : `to ${most}`}; "${given ?? ''}" is not`,
    );
  return value;
};

/** After how many a stream ends: `--limit`; without it, never. @throws ToolFailure when it is no count. */
export const limitOf = (flags: Flags): number => {
  const given = text(flags, 'limit');
  if (given === undefined) return Infinity;
  if (/^[1-9]\d*$/.test(given)) return Number(given);
  throw usage(
    `--limit must be a whole number from 1 on; "${given}" is not`,
    'Leave it out to go on until Ctrl-C.',
  );
};

/** A flag's list, separated by commas. */
export const list = (flags: Flags, name: string): readonly string[] | undefined =>
  text(flags, name)
    ?.split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

/** One of a few words. @throws ToolFailure for another. */
export const choice = <Word extends string>(
  flags: Flags,
  name: string,
  words: readonly Word[],
  fallback: Word,
): Word => {
  const given = text(flags, name) ?? fallback;
  const found = words.find((word) => word === given);
  if (found === undefined)
    throw usage(`--${kebab(name)} must be one of ${words.join(', ')}; "${given}" is not`);
  return found;
};

const UNITS: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3 };

/** A moment: `10m`, `2h`, `3d` ago, or RFC 3339. Unix milliseconds. @throws ToolFailure when it is none. */
export const moment = (flags: Flags, name: string, nowMs: number): number | undefined => {
  const given = text(flags, name);
  if (given === undefined) return undefined;
  const ago = /^(\d+(?:\.\d+)?)([smhd])$/.exec(given);
  // Date.parse takes a span without its unit for a month.
  const date = /^\d{4}-\d\d-\d\d/.test(given) ? Date.parse(given) : Number.NaN;
  const value = ago === null ? date : nowMs - Number(ago[1]) * UNITS[ago[2]!]!;
  if (Number.isNaN(value))
    throw usage(
      `--${kebab(name)} must be a span such as 30m, 2h, 3d, or a date such as 2026-01-31T12:00:00Z`,
    );
  return value;
};

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
