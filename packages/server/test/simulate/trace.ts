import { createHash } from 'node:crypto';
import type { AttemptRow, LiveRow, PartitionRow } from '../store/rows.ts';
import type { HistoryEvent } from './history.ts';
import type { RunResult } from './run.ts';

const ms = (value: number | null): string => (value === null ? '?' : value.toFixed(1));
const short = (node: string | null): string =>
  node === null ? 'nobody' : `${Number(node.slice(24, 28))}.${Number(node.slice(28))}`;

const changeLine = ({
  table,
  key,
  before,
  after,
}: {
  table: string;
  key: string;
  before: object | null;
  after: object | null;
}): string[] => {
  switch (table) {
    case 'live': {
      const row = after as LiveRow | null;
      const was = (before as LiveRow | null)?.state ?? 'new';
      if (row === null) return [`${key} ${was}>ended`];
      return [
        `${key} ${was}>${row.state}${row.state === 'held' ? ` by ${short(row.node)} e${String(row.epoch)}` : ''}`,
      ];
    }
    case 'partition': {
      const [from, to] = [before as PartitionRow | null, after as PartitionRow];
      if (from === null || (from.node === to.node && from.epoch === to.epoch)) return [];
      return [`partition ${to.id}: ${short(from.node)}>${short(to.node)} e${to.epoch}`];
    }
    case 'attempt': {
      const row = after as AttemptRow;
      return [`attempt ${row.cause ?? '2xx'}${row.final === null ? '' : ` ${row.final}`}`];
    }
    default:
      return [`${table} ${key}`];
  }
};

/** An event in words, or null where it says nothing to a reader. */
const lineOf = (event: HistoryEvent): string | null => {
  switch (event.kind) {
    case 'try':
      return `${ms(event.sentMs)} post ${event.post} to ${event.process}: ${event.outcome} ${event.messageId ?? ''} at ${ms(event.endedMs)}`;
    case 'change':
      return `${ms(event.sentMs)} ${event.endpointId} is to be ${event.to}: answered at ${ms(event.endedMs)}`;
    case 'commit': {
      const lines = event.changes.flatMap(changeLine);
      if (lines.length === 0) return null;
      return `${ms(event.atMs)} ${event.process ?? 'setup'} ${event.operation} (began ${ms(event.beganMs)}): ${lines.join('; ')}`;
    }
    case 'request':
      return `${ms(event.sentMs)} ${event.process} sends ${event.messageId} to ${event.endpointId}: arrives ${ms(event.arrivedMs)}, ${event.status ?? 'no answer'} at ${ms(event.endedMs)}, known at ${ms(event.reportedMs)}`;
    case 'fault':
      return `${ms(event.fromMs)} ${event.fault} of ${event.process ?? 'the database'} until ${ms(event.toMs)}`;
    case 'process':
      return `${ms(event.atMs)} ${event.process} starts`;
    case 'broken':
      return `${ms(event.atMs)} broken: ${event.detail}`;
    case 'call':
      return null;
    default:
      return event satisfies never;
  }
};

/** What happened, for a reader. */
export const traceOf = ({ history }: RunResult): readonly string[] =>
  history.events.flatMap((event) => lineOf(event) ?? []);

/** The same for every run of the same plan: all that was seen, to the last bit. */
export const hashOf = ({ history, steps, left }: RunResult): string => {
  const hash = createHash('sha256');
  for (const event of history.events) {
    hash.update(
      JSON.stringify(event, (_, value: unknown) => (value instanceof Uint8Array ? value.length : value)),
    );
  }
  return hash
    .update(JSON.stringify([steps, left]))
    .digest('hex')
    .slice(0, 16);
};
