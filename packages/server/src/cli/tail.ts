import {
  APP_OPTION,
  application,
  connect,
  CONNECTION_OPTIONS,
  type Connection,
  type Json,
  str,
} from './connection.ts';
import type { ExitCode } from './output.ts';
import { plain } from './printer.ts';
import { choice, limitOf, moment, text, ToolFailure, type Tool, type ToolInput } from './tool.ts';

export const tailTool: Tool = {
  usage: 'tail',
  summary: 'Show attempts as they happen, with what the receivers answered.',
  options: [
    ...CONNECTION_OPTIONS,
    APP_OPTION,
    ['--endpoint <endpoint>', 'Only at this endpoint.'],
    ['--status <failed|succeeded|all>', 'Only attempts that ended so.'],
    ['--since <moment>', 'Begin there: 10m, 2h, 3d or RFC 3339. Default: now.'],
    ['--limit <count>', 'End after so many.'],
  ],
  run: (input) => tail(input),
};

const POLL_MS = 1_000;
const MOST_ENDPOINTS = 50;
const MOST_A_POLL = 10_000;
/** An attempt's row may appear this much later than its time says: it is written when it has ended. */
const LATE_MS = 70_000;
const STATUS = { succeeded: 0, failed: 2 } as const;

const endpointsOf = async (
  connection: Connection,
  app: string,
  flags: ToolInput['flags'],
): Promise<readonly Json[]> => {
  const named = text(flags, 'endpoint');
  if (named !== undefined)
    return [await connection.call('GET', `/app/${app}/endpoint/${encodeURIComponent(named)}`)];
  const found = await connection.list(`/app/${app}/endpoint`, MOST_ENDPOINTS + 1);
  if (found.length <= MOST_ENDPOINTS) return found;
  throw new ToolFailure(
    2,
    'too_many_endpoints',
    `There are more than ${MOST_ENDPOINTS} endpoints.`,
    'Name one with --endpoint.',
  );
};

const tail = async (input: ToolInput): Promise<ExitCode> => {
  const { flags, env, clock, print } = input;
  const status = choice(flags, 'status', ['all', 'failed', 'succeeded'], 'all');
  const limit = limitOf(flags);
  const nowMs = clock.nowMs();
  const sinceMs = moment(flags, 'since', nowMs) ?? nowMs;
  const connection = await connect(input);
  const app = await application(connection, flags, env);
  const stop = input.stop();
  /** Shown already, by id, with the time of each: what is too old to come again is forgotten. */
  const seen = new Map<string, number>();
  let count = 0;
  let newestMs = sinceMs;
  print.note(`  attempts of ${app} at ${connection.url}; Ctrl-C ends`);

  while (!stop.signal.aborted) {
    const fresh: Json[] = [];
    for (const endpoint of await endpointsOf(connection, app, flags)) {
      const after = new Date(Math.max(sinceMs, newestMs - LATE_MS)).toISOString();
      const query = new URLSearchParams({
        after,
        ...(status === 'all' ? {} : { status: str(STATUS[status]) }),
      });
      const name = endpoint['uid'] ?? endpoint['id'];
      const attempts = await connection.list(
        `/app/${app}/attempt/endpoint/${str(endpoint['id'])}?${query.toString()}`,
        MOST_A_POLL,
      );
      for (const attempt of attempts)
        if (!seen.has(str(attempt['id']))) fresh.push({ ...attempt, endpoint: name });
    }
    for (const attempt of fresh.toSorted((a, b) => (str(a['id']) < str(b['id']) ? -1 : 1))) {
      const atMs = Date.parse(str(attempt['timestamp']));
      seen.set(str(attempt['id']), atMs);
      newestMs = Math.max(newestMs, atMs);
      print.result(attempt, () => line(input, attempt));
      count += 1;
      if (count >= limit) return 0;
    }
    for (const [id, atMs] of seen) if (atMs < newestMs - 2 * LATE_MS) seen.delete(id);
    await Promise.race([stop.asked, new Promise((resolve) => setTimeout(resolve, POLL_MS))]);
  }
  return 0;
};

const line = ({ print }: ToolInput, attempt: Json): string => {
  const isGood = attempt['status'] === 0;
  const code = Number(attempt['responseStatusCode']);
  const outcome = code === 0 ? str(attempt['cause'] ?? attempt['response'] ?? 'no answer') : String(code);
  const next = attempt['nextAttempt'] === undefined ? '' : `  next ${str(attempt['nextAttempt'])}`;
  return `  ${str(attempt['timestamp'])}  ${print.paint(isGood ? 'green' : 'red', plain(outcome))}  ${str(attempt['responseDurationMs'])} ms  ${plain(str(attempt['endpoint']))}  ${str(attempt['msgId'])}${next}`;
};
