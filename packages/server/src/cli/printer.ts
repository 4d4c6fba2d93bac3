import type { Streams } from './output.ts';

const CODES = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 } as const;
export type Colour = keyof typeof CODES;

/** How a command speaks: results on standard output, everything else on standard error. */
export type Printer = {
  readonly json: boolean;
  /** One result: the object on a line of JSON, or the text. */
  readonly result: (value: unknown, text: string | (() => string)) => void;
  /** Something worth knowing that is no result; never on standard output. */
  readonly note: (text: string) => void;
  /** How far long work is: one line that replaces itself in a terminal, a line a second elsewhere. */
  readonly progress: (text: string) => void;
  /** The last progress stays as it is. */
  readonly endProgress: () => void;
  readonly paint: (colour: Colour, text: string) => string;
};

export type PrinterOptions = {
  readonly streams: Streams;
  readonly json: boolean;
  /** Standard output is a terminal. */
  readonly output: boolean;
  /** Standard error is one. */
  readonly errors: boolean;
  /** The value of NO_COLOR; https://no-color.org: set and not empty means none. */
  readonly noColor: string | undefined;
  readonly monotonicMs: () => number;
};

const PROGRESS_MS = 1_000;
const TERMINAL_MS = 100;

export const createPrinter = (options: PrinterOptions): Printer => {
  const { streams, json, output, errors } = options;
  const isColoured = output && !json && (options.noColor ?? '') === '';
  let lastMs = -Infinity;
  let isOpen = false;
  const endProgress = (): void => {
    if (isOpen) streams.err('\n');
    isOpen = false;
    lastMs = -Infinity;
  };
  return {
    json,
    result: (value, text) => {
      const said = json ? JSON.stringify(value) : typeof text === 'string' ? text : text();
      if (isOpen) endProgress();
      if (said !== '') streams.out(`${said}\n`);
    },
    note: (text) => {
      if (isOpen) endProgress();
      streams.err(`${text}\n`);
    },
    progress: (text) => {
      const nowMs = options.monotonicMs();
      if (nowMs - lastMs < (errors ? TERMINAL_MS : PROGRESS_MS)) return;
      lastMs = nowMs;
      streams.err(errors ? `\r\u001b[K${text}` : `${text}\n`);
      isOpen = errors;
    },
    endProgress,
    paint: (colour, text) => (isColoured ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text),
  };
};

/** Control characters of strangers do not reach the terminal. */
export const plain = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => `\\x${character.charCodeAt(0).toString(16)}`);

/** Rows under each other, columns as wide as their longest cell. */
export const table = (rows: readonly (readonly string[])[]): string => {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, cell.length)));
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};
