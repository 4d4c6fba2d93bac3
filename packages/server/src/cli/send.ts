import {
  APP_OPTION,
  application,
  connect,
  CONNECTION_OPTIONS,
  type Connection,
  type Json,
  str,
} from './connection.ts';
import { examplePayload, plainPayload } from './example-payload.ts';
import type { ExitCode } from './output.ts';
import { plain } from './printer.ts';
import { readBytes, readObject } from './payload-input.ts';
import { list, number, text, ToolFailure, type Tool, type ToolInput } from './tool.ts';

const MESSAGE_OPTIONS = [
  ...CONNECTION_OPTIONS,
  APP_OPTION,
  ['--event-id <id>', 'Your own id of the event; a second message with it is refused.'],
  ['--ordering-key <key>', 'Messages of one key arrive in the order in which they were posted.'],
  ['--channels <names>', 'Channels, separated by commas.'],
  ['--tags <names>', 'Tags to find it by, separated by commas.'],
  ['--wait [seconds]', 'Wait for the deliveries (30 s) and fail unless all succeed.'],
] as const;

export const sendTool: Tool = {
  usage: 'send <event-type> [payload]',
  summary: 'Post a message. The payload is JSON, @file or - (standard input); {} without one.',
  options: [
    ...MESSAGE_OPTIONS,
    ['--content-type <type>', 'Send the bytes as they are, as this type, such as application/xml.'],
  ],
  run: async (input) => {
    const [eventType = '', payload = '{}'] = input.args;
    const contentType = text(input.flags, 'contentType');
    const content =
      contentType === undefined
        ? { payload: await readObject(payload, input) }
        : {
            payload: {},
            transformationsParams: {
              headers: { 'content-type': contentType },
              posthorn: { rawPayloadBase64: (await readBytes(payload, input)).toString('base64') },
            },
          };
    return post(input, await destination(input, await connect(input)), eventType, content);
  },
};

export const triggerTool: Tool = {
  usage: 'trigger <event-type>',
  summary: 'Post an example of an event type, from its schema.',
  options: [...MESSAGE_OPTIONS, ['--dry-run', 'Print the payload and send nothing.']],
  run: async (input) => {
    const [eventType = ''] = input.args;
    const connection = await connect(input);
    if (input.flags['dryRun'] === true) {
      const payload = await payloadFor(input, connection, eventType);
      input.print.result(payload, () => JSON.stringify(payload, null, 2));
      return 0;
    }
    // What nobody will get is not made up either: the application comes first.
    const to = await destination(input, connection);
    return post(input, to, eventType, { payload: await payloadFor(input, connection, eventType) });
  },
};

/** The example of an event type, or a payload that is made up, with a note that says so. */
const payloadFor = async (
  { clock, print }: ToolInput,
  connection: Connection,
  eventType: string,
): Promise<Json> => {
  const known = await connection
    .find(`/event-type/${encodeURIComponent(eventType)}`)
    .catch((error: unknown): 'forbidden' => {
      // A token may be good for messages and not for this; whatever else fails is a failure.
      if (error instanceof ToolFailure && error.status === 403) return 'forbidden';
      throw error;
    });
  const example = known === null || known === 'forbidden' ? null : examplePayload(known['schemas']);
  if (example !== null) return example;
  print.note(
    known === 'forbidden'
      ? `posthorn: this token may not read event types: the payload is made up. Take a token of the organisation, or posthorn send ${eventType} with a payload of yours.`
      : `posthorn: ${eventType} ${known === null ? 'is not described here' : 'has no schema'}: the payload is made up. posthorn event-types ${known === null ? 'create' : 'update'} describes it.`,
  );
  return plainPayload(eventType, clock.nowMs());
};

type Destination = { readonly connection: Connection; readonly app: string; readonly waitSeconds: number };

const destination = async ({ flags, env }: ToolInput, connection: Connection): Promise<Destination> => ({
  waitSeconds: flags['wait'] === true ? 30 : number(flags, 'wait', 0, [0, 3600]),
  connection,
  app: await application(connection, flags, env),
});

const post = async (
  input: ToolInput,
  { connection, app, waitSeconds }: Destination,
  eventType: string,
  content: Json,
): Promise<ExitCode> => {
  const { flags, print } = input;
  const [eventId, channels, tags] = [text(flags, 'eventId'), list(flags, 'channels'), list(flags, 'tags')];
  const orderingKey = text(flags, 'orderingKey');
  const message = await connection.call('POST', `/app/${app}/msg`, {
    eventType,
    ...content,
    ...(eventId === undefined ? {} : { eventId }),
    ...(orderingKey === undefined ? {} : { orderingKey }),
    ...(channels === undefined ? {} : { channels }),
    ...(tags === undefined ? {} : { tags }),
  });
  const id = str(message['id']);
  if (waitSeconds === 0) {
    print.result({ id, eventType, application: app }, id);
    return 0;
  }
  return awaitDeliveries(input, connection, app, id, waitSeconds * 1000);
};

const ASK_MS = 200;
const PENDING = ['pending', 'sending'];

/** Newest first; enough to have the last one at each of some endpoints. */
const MOST_ATTEMPTS = 250;
const SHOWN = 200;

/** Why the last attempt at an endpoint failed, in its own words. */
const lastOf = (
  tried: readonly Json[],
  { id, statusText }: Json,
): { readonly cause?: unknown; readonly response?: unknown } => {
  const last = statusText === 'success' ? undefined : tried.find(({ endpointId }) => endpointId === id);
  return last === undefined ? {} : { cause: last['cause'], response: last['response'] };
};

const awaitDeliveries = async (
  { clock, print }: ToolInput,
  connection: Connection,
  app: string,
  id: string,
  waitMs: number,
): Promise<ExitCode> => {
  const endMs = clock.monotonicMs() + waitMs;
  for (;;) {
    const found = await connection.list(`/app/${app}/msg/${id}/endpoint`, 1_000);
    const open = found.filter((delivery) => PENDING.includes(str(delivery['statusText'])));
    if (open.length === 0 || clock.monotonicMs() >= endMs) {
      const tried = found.every(({ statusText }) => statusText === 'success')
        ? []
        : await connection.list(`/app/${app}/attempt/msg/${id}`, MOST_ATTEMPTS);
      const deliveries = found.map((one) => ({
        endpoint: one['uid'] ?? one['id'],
        status: one['statusText'],
        ...lastOf(tried, one),
      }));
      const isGood = deliveries.every(({ status }) => status === 'success');
      print.result({ id, delivered: isGood, deliveries }, () =>
        [
          id,
          ...deliveries.map(
            ({ endpoint, status, cause, response }) =>
              `  ${print.paint(status === 'success' ? 'green' : 'red', str(status))}  ${str(endpoint)}${cause === undefined ? '' : `  ${str(cause)}  ${plain(str(response)).slice(0, SHOWN)}`}`,
          ),
          ...(deliveries.length === 0 ? ['  no endpoint subscribes to it'] : []),
        ].join('\n'),
      );
      if (!isGood)
        print.note(`posthorn: not all succeeded. posthorn messages attempts ${id} --app ${app} says why.`);
      return isGood ? 0 : 1;
    }
    print.progress(`${found.length - open.length} of ${found.length} deliveries done`);
    await new Promise((resolve) => setTimeout(resolve, ASK_MS));
  }
};
