import type { DeadLetter, LetterReview } from '../api/records.ts';
import { formatLetterKey } from './letter-key.ts';
import { timeParam } from './written.ts';

export type LetterRow = {
  msg_id: string;
  endpoint_id: string;
  run: number;
  event_type: string;
  reason: string;
  letter: DeadLetter['state'];
  closed_at: number;
  changed_at: number;
  reviewed_by: string | null;
  reviewed_at: number | null;
  note: string | null;
  successor: string | null;
  order_key: string | null;
  blocks: boolean;
};

/** `d` is the closed row's alias. */
export const letterColumns = `d.msg_id, d.endpoint_id, d.run, d.event_type, d.reason, d.letter, d.closed_at, d.changed_at,
  d.reviewed_by, d.reviewed_at, d.note, d.successor, d.order_key, d.blocks`;

/** What every change keeps of who made it: $5 when, $6 who, $7 the note. */
export const reviewed = 'reviewed_at = $5, reviewed_by = $6, note = coalesce($7::text, d.note)';
export const reviewParams = ({ atMs, by, note }: LetterReview): [string, string, string | null] => [
  timeParam(atMs),
  by,
  note,
];

export const letterOf = (row: LetterRow): DeadLetter => ({
  messageId: row.msg_id,
  endpointId: row.endpoint_id,
  run: row.run,
  eventType: row.event_type,
  reason: row.reason,
  state: row.letter,
  diedAtMs: row.closed_at,
  changedAtMs: row.changed_at,
  review:
    row.reviewed_by === null || row.reviewed_at === null
      ? null
      : { by: row.reviewed_by, atMs: row.reviewed_at, note: row.note },
  replacedBy: row.successor,
  orderKey: row.order_key,
  blocks: row.blocks && row.letter === 'open',
  key: formatLetterKey({
    atMicros: Math.round(row.closed_at * 1000),
    messageId: row.msg_id,
    endpointId: row.endpoint_id,
    run: row.run,
  }),
});
