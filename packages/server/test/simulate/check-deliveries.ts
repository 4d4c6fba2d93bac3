import type { AttemptRow, ClosedRow, LiveRow, MessageRow, PartitionRow } from '../store/rows.ts';
import type { Rule, Violation } from './check.ts';
import { createConfiguration } from './configuration.ts';
import { EPOCH_MS } from './database.ts';
import { createFaults } from './faults.ts';
import type { EventOf } from './history.ts';
import { postOf } from './payload.ts';
import { createTokens } from './tokens.ts';
import type { RunResult } from './run.ts';

type Request = EventOf<'request'>;
type Commit = EventOf<'commit'>;

/** By how much a process's clock may differ from the database's: half a heartbeat's way there and back. */
const CLOCK_MS = 150;
const CLOCK_IN_WEATHER_MS = 1_000;
const MAX_IN_FLIGHT = 12;

const keyOf = (of: { readonly messageId: string; readonly endpointId: string }): string =>
  `${of.messageId} ${of.endpointId}`;
const isSuccess = (request: Request): boolean =>
  request.status !== null && request.status >= 200 && request.status < 300;

/**
 * Follows every delivery through commits and requests in their order: who may change it, who may send
 * it, how it ends.
 */
export const checkDeliveries = ({ history, plan }: RunResult): Violation[] => {
  const found: Violation[] = [];
  const add = (rule: Rule, atMs: number, detail: string): void => void found.push({ rule, atMs, detail });
  const configuration = createConfiguration(plan, history.of('change'));
  const faults = createFaults(history);
  const nodes = new Map(history.of('process').map(({ process, node }) => [process, node]));
  const processes = new Map([...nodes].map(([process, node]) => [node, process]));
  const tokens = createTokens(add, faults, (node) => processes.get(node)!);
  const messages = new Map<string, number | null>();
  const live = new Map<string, LiveRow>();
  const ended = new Set<string>();
  /** Per delivery: its requests, and the index of those from before it was last freed as unknown. */
  const requests = new Map<string, Request[]>();
  const freedAt = new Map<string, number>();
  const attempts = new Map<string, AttemptRow[]>();
  const flights = new Map<string, Request[]>();

  // What the database commits ------------------------------------------------------------------------

  const onEnd = (commit: Commit, key: string): void => {
    live.delete(key);
    ended.add(key);
    const finals = commit.changes.filter(
      ({ table, after }) => table === 'attempt' && after !== null && keyOf(after as AttemptRow) === key,
    );
    const letters = commit.changes.filter(
      ({ table, after }) => table === 'closed' && after !== null && keyOf(after as ClosedRow) === key,
    );
    const final = (finals[0]?.after as AttemptRow | undefined)?.final ?? null;
    const isRight =
      commit.operation === 'settle'
        ? finals.length === 1 && final !== null && letters.length === (final === 'dead' ? 1 : 0)
        : commit.operation === 'closeLane' && finals.length === 0 && letters.length === 1;
    if (!isRight) {
      add(
        'ends',
        commit.atMs,
        `${key}: ended by ${commit.operation} with ${finals.length} attempts (${String(final)}) and ${letters.length} letters`,
      );
    }
  };

  const onRetry = (commit: Commit, key: string, before: LiveRow, after: LiveRow): void => {
    const last = requests.get(key)?.at(-1);
    if (after.attempts === before.attempts || last === undefined || last.reportedMs === null) return;
    const waitMs = (plan.waitsSeconds[after.attempts - 1] ?? 0) * 1_000;
    const isRough = faults.any('weather', 'database-clock', 'database-restart');
    const toleranceMs = isRough ? CLOCK_IN_WEATHER_MS : CLOCK_MS;
    // A machine that slept for less than its lease is behind until its next heartbeat.
    if (faults.any('database-clock', 'sleep')) return;
    const shortMs = EPOCH_MS + last.reportedMs + waitMs - after.dueMs;
    if (shortMs > toleranceMs) {
      add(
        'schedule',
        commit.atMs,
        `${key}: the retry after attempt ${after.attempts} is ${Math.round(shortMs)} ms too early`,
      );
    }
  };

  const onUpdate = (commit: Commit, key: string, before: LiveRow, after: LiveRow): void => {
    live.set(key, after);
    const { operation, atMs } = commit;
    const node = nodes.get(commit.process ?? '');
    const isMine = before.node === node;
    const illegal = (): void =>
      add('states', atMs, `${key}: ${before.state} to ${after.state} by ${operation}`);
    if (after.attempts > plan.waitsSeconds.length + 1) {
      add('attempts', atMs, `${key}: ${after.attempts} attempts were counted`);
    }
    switch (operation) {
      case 'settle':
      case 'reconcile':
      case 'handBack':
        if (before.state !== 'held' || after.state !== 'waiting') return illegal();
        if (!isMine)
          add('fence', atMs, `${key}: ${operation} of ${String(node)} on a row of ${String(before.node)}`);
        if (operation === 'settle') onRetry(commit, key, before, after);
        return;
      case 'takeOver':
      case 'sweep':
        if (before.state !== 'held' || after.state !== 'waiting') return illegal();
        freedAt.set(key, requests.get(key)?.length ?? 0);
        return tokens.freed(commit, key, before);
      case 'poll':
      case 'pollOrdered':
        if (before.state !== 'waiting' || after.state !== 'held') return illegal();
        if (before.dueMs > commit.databaseMs) add('schedule', atMs, `${key}: polled before it was due`);
        if (after.node !== node)
          add('fence', atMs, `${key}: polled by ${String(node)} for ${String(after.node)}`);
        return tokens.held(commit, key, after);
      default:
        return illegal();
    }
  };

  const onCommit = (commit: Commit): void => {
    for (const { table, key, before, after } of commit.changes) {
      switch (table) {
        case 'message':
          messages.set(key, postOf((after as MessageRow).payload));
          break;
        case 'partition':
          if (before !== null && after !== null)
            tokens.changed(commit, before as PartitionRow, after as PartitionRow);
          break;
        case 'attempt': {
          const row = after as AttemptRow;
          attempts.set(keyOf(row), [...(attempts.get(keyOf(row)) ?? []), row]);
          if (ended.has(keyOf(row))) add('ends', commit.atMs, `${keyOf(row)}: an attempt after its end`);
          break;
        }
        default:
      }
    }
    for (const { table, key, before, after } of commit.changes) {
      if (table !== 'live') continue;
      if (before === null) {
        const row = after as LiveRow;
        if (commit.operation !== 'insertMessages' || ended.has(key) || !messages.has(row.messageId)) {
          add(
            'states',
            commit.atMs,
            `${key}: came into being by ${commit.operation}${ended.has(key) ? ' after its end' : ''}`,
          );
        }
        live.set(key, row);
        if (row.state === 'held') tokens.held(commit, key, row);
      } else if (after === null) {
        const row = before as LiveRow;
        const node = nodes.get(commit.process ?? '');
        if (commit.operation === 'settle' && row.node !== node) {
          add('fence', commit.atMs, `${key}: settled by ${String(node)}, held by ${String(row.node)}`);
        }
        onEnd(commit, key);
      } else {
        onUpdate(commit, key, before as LiveRow, after as LiveRow);
      }
    }
  };

  // What goes over the wire --------------------------------------------------------------------------

  const isOpen = (request: Request, atMs: number): boolean =>
    request.endedMs === null || request.endedMs > atMs;

  const onRequest = (request: Request): void => {
    const { messageId, endpointId, process, beganMs, sentMs } = request;
    const key = keyOf(request);
    const name = `${key} from ${process}`;
    const earlier = requests.get(key) ?? [];
    if (!messages.has(messageId)) add('phantom', sentMs, `${name}: the message is not stored`);
    else if (messages.get(messageId) !== request.post || request.post === null) {
      add('altered', sentMs, `${name}: other bytes than stored`);
    }
    const isJumped = faults.isJumped(sentMs);
    const row = live.get(key);
    if (!isJumped && messages.has(messageId) && (row?.state !== 'held' || row.node !== nodes.get(process))) {
      const is =
        row === undefined ? 'ended' : row.state === 'held' ? `held by ${String(row.node)}` : 'waiting';
      add('ownership', sentMs, `${name}: sent while it is ${is}`);
    }
    for (const first of earlier) {
      const isExplained =
        isJumped ||
        faults.hit(first.process, first.sentMs, sentMs, ['crash', 'pause', 'sleep', 'database-clock']);
      if (isOpen(first, sentMs) && !isExplained) {
        add(
          'overlap',
          sentMs,
          `${name}: sent while the request from ${first.process} of ${Math.round(first.sentMs)} is open`,
        );
      }
    }
    const done = earlier.findIndex(
      (first) => isSuccess(first) && first.reportedMs !== null && first.reportedMs <= sentMs,
    );
    if (
      done >= 0 &&
      (freedAt.get(key) ?? -1) <= done &&
      !isJumped &&
      !faults.isJumped(earlier[done]!.sentMs)
    ) {
      add(
        'duplicate',
        sentMs,
        `${name}: ${earlier[done]!.process} had its 2xx at ${Math.round(earlier[done]!.reportedMs!)}`,
      );
    }
    // By when it began: what is being connected goes out.
    const known = configuration(endpointId, beganMs, beganMs);
    if (!isJumped) {
      if (known.exists === false || known.disabled === true) {
        add(
          'configuration',
          sentMs,
          `${name}: the endpoint is ${known.exists === false ? 'deleted' : 'disabled'}`,
        );
      }
      if (known.url !== undefined && known.url !== request.url) {
        add('configuration', sentMs, `${name}: sent to ${request.url}, moved to ${known.url}`);
      }
    }
    const flying = (flights.get(process) ?? []).filter(
      (other) => isOpen(other, sentMs) && other.reportedMs === null,
    );
    flying.push(request);
    flights.set(process, flying);
    const beside = flying.filter((other) => other.endpointId === endpointId).length;
    if (beside > plan.laneConcurrency)
      add('concurrency', sentMs, `${name}: ${beside} at once to ${endpointId}`);
    if (flying.length > MAX_IN_FLIGHT) add('concurrency', sentMs, `${name}: ${flying.length} at once`);
    requests.set(key, [...earlier, request]);
  };

  for (const event of history.events) {
    if (event.kind === 'commit') onCommit(event);
    else if (event.kind === 'request') onRequest(event);
  }

  // In the end ---------------------------------------------------------------------------------------

  for (const [key, sent] of requests) {
    const written = attempts.get(key) ?? [];
    const zombies = sent.filter(({ sentMs }) => faults.isJumped(sentMs)).length;
    if (!live.has(key) && sent.length - zombies > written.length) {
      add('attempts', Infinity, `${key}: ${sent.length} requests, ${written.length} attempts are recorded`);
    }
    const given = sent.filter(isSuccess).length;
    const said = written.filter(({ cause }) => cause === null).length;
    if (said > given) add('attempts', Infinity, `${key}: ${said} attempts say 2xx, ${given} answers did`);
  }
  for (const [key, written] of attempts) {
    if (live.has(key)) continue;
    const finals = written.filter(({ final }) => final !== null).length;
    if (finals > 1) add('ends', Infinity, `${key}: ${finals} attempts ended it`);
    if (written.some(({ final }) => final === 'succeeded') && !(requests.get(key) ?? []).some(isSuccess)) {
      add('attempts', Infinity, `${key}: succeeded without a 2xx`);
    }
  }
  return found;
};
