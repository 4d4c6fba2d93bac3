import type { AttemptRecord } from '../dispatch/port.ts';
import { causeOf } from '../domain/attempt.ts';
import {
  arrayLiteral,
  byteaArray,
  int2Array,
  int4Array,
  textArray,
  timestamptzArray,
} from './binary-array.ts';
import { evidenceOf } from './evidence.ts';
import type { SqlParam } from './postgres.ts';

/** What is copied from the message into each of its attempts. */
type AttemptOf = {
  readonly attempt: AttemptRecord;
  readonly eventType: string;
  readonly channels: readonly string[] | null;
  readonly tags: readonly string[] | null;
};

/** Names of {@link attemptParams}, in order, for an unnest; cast lists and names must match. */
export const attemptFields = `attempt_id, status, trigger, cause, response_status, response, duration_ms, url,
  event_type, channels, tags, evidence, started_at`;

/** The casts of {@link attemptParams} from parameter `$first` on. */
export const attemptCasts = (first: number): string =>
  [
    'text',
    'int2',
    'int2',
    'text',
    'int2',
    'bytea',
    'int4',
    'text',
    'text',
    'text',
    'text',
    'text',
    'timestamptz',
  ]
    .map((type, index) => `$${first + index}::${type}[]`)
    .join(', ');

/** The columns of table `attempt` that {@link attemptFields} fill, and the expressions over alias `s`. */
export const attemptInto = `id, status, trigger, cause, response_status, response, duration_ms, url,
  event_type, channels, tags, evidence, created_at`;
export const attemptFrom = `s.attempt_id, s.status, s.trigger, s.cause, s.response_status, s.response, s.duration_ms, s.url,
  s.event_type, s.channels::text[], s.tags::text[], s.evidence, s.started_at`;

const STATUS_SUCCESS = 0;
const STATUS_FAIL = 2;

/** Thirteen array parameters, one row each per attempt. */
export const attemptParams = (items: readonly AttemptOf[]): SqlParam[] => {
  const reports = items.map((item) => item.attempt.report);
  const causes = reports.map((report) => causeOf(report.result));
  return [
    textArray(items.map((item) => item.attempt.id)),
    int2Array(causes.map((cause) => (cause === null ? STATUS_SUCCESS : STATUS_FAIL))),
    int2Array(items.map((item) => (item.attempt.trigger === 'manual' ? 1 : 0))),
    textArray(causes),
    int2Array(reports.map(({ result }) => (result.kind === 'response' ? result.status : 0))),
    byteaArray(reports.map((report) => (report.result.kind === 'response' ? report.responseBody : null))),
    int4Array(reports.map((report) => Math.round(report.phases.totalMs))),
    textArray(items.map((item) => item.attempt.url)),
    textArray(items.map((item) => item.eventType)),
    textArray(items.map((item) => arrayLiteral(item.channels))),
    textArray(items.map((item) => arrayLiteral(item.tags))),
    textArray(reports.map(evidenceOf)),
    timestamptzArray(reports.map((report) => report.startedAtMs)),
  ];
};
