import { issue, moment, PAST, type Issue } from './fields.ts';

/** When a message is due, and from when on it must not be sent any more; null where nothing was said. */
export type Schedule = { readonly deliverAtMs: number | null; readonly expiresAtMs: number | null };

const DAY_MS = 86_400_000;
const MIN_AHEAD_MS = 1_000;
const MAX_DELIVER_MS = 90 * DAY_MS;
const MAX_EXPIRE_MS = 366 * DAY_MS;

const text = (atMs: number): string => new Date(atMs).toISOString();

const optionalMoment = (value: unknown, loc: readonly string[], issues: Issue[]): number | null =>
  value === undefined || value === null ? null : (moment(value, loc, issues) ?? null);

/**
 * Reads `deliverAt` (1 second to 90 days ahead) and `expiresAt` (later than that or than now, at most
 * 366 days ahead), RFC 3339. What is wrong is added to `issues`, with what is allowed.
 */
export const readSchedule = (
  deliverAt: unknown,
  expiresAt: unknown,
  loc: readonly string[],
  nowMs: number,
  issues: Issue[],
): Schedule => {
  const deliverAtMs = optionalMoment(deliverAt, [...loc, 'deliverAt'], issues);
  const expiresAtMs = optionalMoment(expiresAt, [...loc, 'expiresAt'], issues);
  const between = (name: string, atMs: number, fromMs: number, toMs: number, what: string): void => {
    if (atMs >= fromMs && atMs <= toMs) return;
    const msg = `must be ${what}: between ${text(fromMs)} and ${text(toMs)}`;
    issues.push(issue([...loc, name], msg, atMs < fromMs ? PAST : undefined));
  };
  if (deliverAtMs !== null) {
    const firstMs = nowMs + MIN_AHEAD_MS;
    between('deliverAt', deliverAtMs, firstMs, nowMs + MAX_DELIVER_MS, '1 second to 90 days ahead');
  }
  if (expiresAtMs !== null) {
    const afterMs = Math.max(deliverAtMs ?? nowMs, nowMs);
    const what = deliverAtMs === null ? 'later than now' : 'at least a second later than deliverAt';
    between('expiresAt', expiresAtMs, afterMs + MIN_AHEAD_MS, nowMs + MAX_EXPIRE_MS, what);
  }
  return { deliverAtMs, expiresAtMs };
};
