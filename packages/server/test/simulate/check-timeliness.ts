import type { LiveRow, MessageRow } from '../store/rows.ts';
import type { Violation } from './check.ts';
import { endpointId } from './operators.ts';
import { postOf } from './payload.ts';
import { CANARY, type RunResult } from './run.ts';

/** From the moment at which something is due until it is sent, when nothing is wrong. */
const LATE_MS = 2_500;
const JITTER = 1.1;

/** What is posted when nothing is wrong is sent soon, and so is its retry. */
export const checkTimeliness = ({ history, plan, quietMs }: RunResult): Violation[] => {
  if (quietMs === null) return [];
  const all = history.of('request');
  const requests = all.filter(({ post }) => post !== null && post >= CANARY);
  /** Found too fast once: one a second may be all that they get for now. */
  const slowed = new Set(all.filter(({ status }) => status === 429).map(({ endpointId: id }) => id));
  const due: { readonly name: string; readonly atMs: number; readonly from: number }[] = [];
  for (const commit of history.of('commit')) {
    if (commit.atMs < quietMs) continue;
    for (const { table, before, after } of commit.changes) {
      if (table !== 'message' || before !== null) continue;
      const { id, payload } = after as MessageRow;
      if ((postOf(payload) ?? 0) < CANARY) continue;
      for (const { table: other, after: row } of commit.changes) {
        if (other !== 'live' || (row as LiveRow).messageId !== id) continue;
        due.push({ name: `${id} ${(row as LiveRow).endpointId}`, atMs: commit.atMs, from: 0 });
      }
    }
  }
  return due.flatMap(({ name, atMs }): Violation[] => {
    let dueMs = atMs;
    const seen = requests.filter(({ messageId, endpointId }) => `${messageId} ${endpointId}` === name);
    for (const [index, request] of seen.entries()) {
      const { rateLimit, fifo } = plan.endpoints.find((_, at) => endpointId(at) === request.endpointId)!;
      // All canaries of an endpoint may stand before it, and an owner begins with a spent window.
      const perSecond = slowed.has(request.endpointId) ? 1 : rateLimit;
      const slotsMs = perSecond === null ? 0 : (2 + requests.length / perSecond) * 1_000;
      const turnsMs = fifo ? requests.length * (plan.waitsSeconds[0] ?? 0) * 1_000 * JITTER : 0;
      if (request.beganMs - dueMs > LATE_MS + slotsMs + turnsMs) {
        const detail = `${name}: request ${index + 1} comes ${Math.round(request.beganMs - dueMs)} ms after it was due`;
        return [{ rule: 'late', atMs: request.sentMs, detail }];
      }
      dueMs = (request.reportedMs ?? Infinity) + (plan.waitsSeconds[index] ?? 0) * 1_000 * JITTER;
    }
    return [];
  });
};
