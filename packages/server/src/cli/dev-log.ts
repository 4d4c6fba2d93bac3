import { pino } from 'pino';
import type { Logger } from '../observe/log.ts';
import type { Streams } from './output.ts';

type Line = { readonly level: number; readonly msg?: string; readonly [field: string]: unknown };

/** A log line of pino as people read it: `  warning: what happened (field value, field value)`. */
export const readable = (json: string): string => {
  const { level, msg = '', time: _time, ...fields } = JSON.parse(json) as Line;
  const kind = level >= 50 ? 'error: ' : level >= 40 ? 'warning: ' : '';
  const details = Object.entries(fields).map(
    ([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return `  ${kind}${msg}${details.length === 0 ? '' : ` (${details.join(', ')})`}\n`;
};

/** The log of `posthorn dev`: for people, on standard error. */
export const createDevLog = (level: string, streams: Streams): Logger =>
  pino({ level, base: null }, { write: (json: string) => streams.err(readable(json)) });
