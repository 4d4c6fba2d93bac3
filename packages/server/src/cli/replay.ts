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
import { table } from './printer.ts';
import { list, moment, text, ToolFailure, usage, type Tool, type ToolInput } from './tool.ts';

export const replayTool: Tool = {
  usage: 'replay [message]',
  summary: 'Deliver again: one message where it failed, or the dead letters since a moment.',
  options: [
    ...CONNECTION_OPTIONS,
    APP_OPTION,
    ['--endpoint <endpoint>', 'Only to this endpoint; of one message also where it succeeded.'],
    ['--since <moment>', 'Dead letters from then on: 30m, 2h, 3d or RFC 3339.'],
    ['--until <moment>', 'And until then.'],
    ['--events <types>', 'Dead letters of these event types.'],
    ['--dry-run', 'Say what would be delivered again, and do nothing.'],
  ],
  run: async (input) => {
    const [message] = input.args;
    if (message === undefined && input.flags['since'] === undefined)
      throw usage(
        'Name a message, or the dead letters with --since.',
        'For example: posthorn replay --since 2h --dry-run',
      );
    const connection = await connect(input);
    const app = await application(connection, input.flags, input.env);
    return message === undefined
      ? replayLetters(input, connection, app)
      : replayMessage(input, connection, app, message);
  },
};

const dry = (input: ToolInput): boolean => input.flags['dryRun'] === true;

const replayMessage = async (
  input: ToolInput,
  connection: Connection,
  app: string,
  message: string,
): Promise<ExitCode> => {
  const { flags, print } = input;
  const at = `/app/${app}/msg/${encodeURIComponent(message)}`;
  const named = text(flags, 'endpoint');
  const destinations = await connection.list(`${at}/endpoint`, 1_000);
  const chosen = destinations.filter(({ id, uid, statusText }) =>
    named === undefined ? statusText === 'fail' : id === named || uid === named,
  );
  if (chosen.length === 0 && named !== undefined)
    throw new ToolFailure(
      1,
      'not_found',
      `${message} was not for the endpoint ${named}.`,
      `posthorn messages attempts ${message} shows where it went.`,
    );
  for (const { id } of dry(input) ? [] : chosen)
    await connection.call('POST', `${at}/endpoint/${str(id)}/resend`);
  const endpoints = chosen.map(({ id, uid, statusText }) => ({ endpoint: uid ?? id, status: statusText }));
  print.result({ dryRun: dry(input), message, count: chosen.length, endpoints }, () =>
    chosen.length === 0
      ? 'It failed nowhere: nothing to deliver again. --endpoint sends it again all the same.'
      : [
          `${dry(input) ? 'would send' : 'sends'} ${message} again to ${chosen.length} of ${destinations.length} endpoints:`,
          ...endpoints.map(({ endpoint, status }) => `  ${str(endpoint)} (${str(status)})`),
        ].join('\n'),
  );
  return 0;
};

const MOST_LISTED = 100_000;
const ASK_MS = 300;

const countBy = (letters: readonly Json[], field: string): readonly (readonly [string, number])[] => {
  const counts = new Map<string, number>();
  for (const letter of letters) counts.set(str(letter[field]), (counts.get(str(letter[field])) ?? 0) + 1);
  return [...counts].toSorted((a, b) => b[1] - a[1]);
};

const replayLetters = async (input: ToolInput, connection: Connection, app: string): Promise<ExitCode> => {
  const { flags, clock, print } = input;
  const iso = (name: string): string | undefined => {
    const ms = moment(flags, name, clock.nowMs());
    return ms === undefined ? undefined : new Date(ms).toISOString();
  };
  const [since, until, endpoint, events] = [
    iso('since')!,
    iso('until'),
    text(flags, 'endpoint'),
    list(flags, 'events'),
  ];
  if (dry(input)) {
    const query = new URLSearchParams([
      ['state', 'open'],
      ['since', since],
      ...(until === undefined ? [] : [['until', until] as [string, string]]),
      ...(endpoint === undefined ? [] : [['endpoint_id', endpoint] as [string, string]]),
      ...(events ?? []).map((type): [string, string] => ['event_types', type]),
    ]);
    const letters = await connection.list(`/app/${app}/dead-letter?${query.toString()}`, MOST_LISTED);
    const facts = {
      count: letters.length,
      byEndpoint: countBy(letters, 'endpointId'),
      byEventType: countBy(letters, 'eventType'),
      byReason: countBy(letters, 'reason'),
    };
    print.result({ dryRun: true, ...facts }, () =>
      [
        `would deliver ${letters.length} dead letters again`,
        ...(['byEndpoint', 'byEventType', 'byReason'] as const).map((by) =>
          table(facts[by].map(([name, count]) => ['', name, String(count)])),
        ),
      ]
        .filter((part) => part !== '')
        .join('\n'),
    );
    return 0;
  }
  const task = await connection.call('POST', `/app/${app}/dead-letter/replay`, {
    since,
    until: until ?? null,
    endpointId: endpoint ?? null,
    eventTypes: events ?? null,
  });
  return follow(input, connection, str(task['id']));
};

/** Waits for a background task to its end. */
const follow = async ({ print, stop }: ToolInput, connection: Connection, id: string): Promise<ExitCode> => {
  const request = stop();
  for (;;) {
    const task = await connection.call('GET', `/background-task/${id}`);
    const { started = 0, skipped = 0 } = task['data'] as { started?: number; skipped?: number };
    if (task['status'] !== 'running') {
      const isGood = task['status'] === 'finished';
      print.result(
        { task: id, status: task['status'], started, skipped },
        `${str(task['status'])}: ${started} are delivered again, ${skipped} skipped`,
      );
      return isGood ? 0 : 1;
    }
    if (request.signal.aborted) {
      print.note(`The task ${id} goes on without this command.`);
      return 1;
    }
    print.progress(`${started} are delivered again, ${skipped} skipped so far`);
    await Promise.race([request.asked, new Promise((resolve) => setTimeout(resolve, ASK_MS))]);
  }
};
