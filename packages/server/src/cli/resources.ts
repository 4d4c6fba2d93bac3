import {
  APP_OPTION,
  application,
  connect,
  CONNECTION_OPTIONS,
  type Connection,
  type Json,
  str,
} from './connection.ts';
import { readObject } from './payload-input.ts';
import { plain, table } from './printer.ts';
import { list, number, text, ToolFailure, usage, type Tool, type ToolInput } from './tool.ts';

/** A field of a resource as a flag: `--events a,b` is `eventTypes: ["a", "b"]`. */
type Field = {
  readonly flag: string;
  readonly name: string;
  readonly kind: 'text' | 'list' | 'boolean' | 'number' | 'json';
  readonly help: string;
};

type Resource = {
  /** The command's first word, in the plural. */
  readonly word: string;
  readonly one: string;
  /** Below `/api/v1`. */
  readonly path: (app: string) => string;
  readonly ofApplication: boolean;
  readonly columns: readonly string[];
  readonly fields: readonly Field[];
  /** Which of them `create` cannot do without. */
  readonly needs: readonly string[];
};

const uid: Field = { flag: '--uid <uid>', name: 'uid', kind: 'text', help: 'A name of your own for it.' };
const description: Field = {
  flag: '--description <text>',
  name: 'description',
  kind: 'text',
  help: 'For people.',
};

const RESOURCES: readonly Resource[] = [
  {
    word: 'apps',
    one: 'app',
    path: () => '/app',
    ofApplication: false,
    columns: ['id', 'uid', 'name', 'createdAt'],
    fields: [{ flag: '--name <text>', name: 'name', kind: 'text', help: 'What it is called.' }, uid],
    needs: ['name'],
  },
  {
    word: 'endpoints',
    one: 'endpoint',
    path: (app) => `/app/${app}/endpoint`,
    ofApplication: true,
    columns: ['id', 'uid', 'url', 'disabled', 'eventTypes'],
    fields: [
      // Named so because --url is the server's.
      { flag: '--to <url>', name: 'url', kind: 'text', help: 'Where the webhooks go.' },
      uid,
      {
        flag: '--events <types>',
        name: 'eventTypes',
        kind: 'list',
        help: 'Only these event types, separated by commas.',
      },
      {
        flag: '--channels <names>',
        name: 'channels',
        kind: 'list',
        help: 'Only messages in these channels.',
      },
      {
        flag: '--disabled <true|false>',
        name: 'disabled',
        kind: 'boolean',
        help: 'Whether it gets nothing.',
      },
      { flag: '--rate-limit <count>', name: 'rateLimit', kind: 'number', help: 'Attempts a second.' },
      {
        flag: '--fifo <true|false>',
        name: 'fifo',
        kind: 'boolean',
        help: 'Whether it gets its messages in the order of the posts, one at a time.',
      },
      {
        flag: '--poison-policy <block|skip>',
        name: 'poisonPolicy',
        kind: 'text',
        help: 'Whether a dead letter stops what comes after it in its order.',
      },
      description,
    ],
    needs: ['url'],
  },
  {
    word: 'event-types',
    one: 'event-type',
    path: () => '/event-type',
    ofApplication: false,
    columns: ['name', 'description', 'archived', 'deprecated'],
    fields: [
      { flag: '--name <name>', name: 'name', kind: 'text', help: 'Such as invoice.paid.' },
      description,
      {
        flag: '--schemas <json>',
        name: 'schemas',
        kind: 'json',
        help: 'JSON Schemas by version, as JSON, @file or -.',
      },
      {
        flag: '--archived <true|false>',
        name: 'archived',
        kind: 'boolean',
        help: 'Whether it is no longer offered.',
      },
    ],
    needs: ['name'],
  },
];

const camel = (flag: string): string =>
  (/^--([\w-]+)/.exec(flag)?.[1] ?? '').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

const valueOf = async (field: Field, input: ToolInput): Promise<unknown> => {
  const { flags } = input;
  const name = camel(field.flag);
  const given = text(flags, name);
  if (given === undefined) return undefined;
  switch (field.kind) {
    case 'text':
      return given;
    case 'list':
      return given === '' ? null : list(flags, name);
    case 'number':
      return number(flags, name, 0, [1, 1e9]);
    case 'json':
      return readObject(given, input);
    case 'boolean':
      if (given === 'true' || given === 'false') return given === 'true';
      throw usage(`${field.flag.split(' ')[0]!} takes true or false`);
    default:
      return field.kind satisfies never;
  }
};

const bodyOf = async (resource: Resource, input: ToolInput): Promise<Json> => {
  const data = text(input.flags, 'data');
  const body: Record<string, unknown> = data === undefined ? {} : { ...(await readObject(data, input)) };
  for (const field of resource.fields) {
    const value = await valueOf(field, input);
    if (value !== undefined) body[field.name] = value;
  }
  return body;
};

const cell = (value: unknown): string => {
  if (value === undefined || value === null) return '-';
  return plain(Array.isArray(value) ? value.map(str).join(',') : str(value));
};

/** Items under each other with the names of their columns. */
export const listing = (items: readonly Json[], columns: readonly string[]): string =>
  items.length === 0
    ? '(none)'
    : table([columns, ...items.map((item) => columns.map((name) => cell(item[name])))]);

/** One item, a field a line. */
export const details = (item: Json): string =>
  table(Object.entries(item).map(([name, value]) => [name, Array.isArray(value) ? str(value) : cell(value)]));

export const LIMIT_OPTION = ['--limit <count>', 'How many at most. Default: 50.'] as const;

/** Where a resource's items lie, and the line to its server. */
const open = async (
  resource: Resource,
  input: ToolInput,
): Promise<{ connection: Connection; path: string }> => {
  const connection = await connect(input);
  const app = resource.ofApplication ? await application(connection, input.flags, input.env) : '';
  return { connection, path: resource.path(app) };
};

const idOf = ({ args }: ToolInput): string => encodeURIComponent(args[0] ?? '');

const isTaken = (error: unknown): error is ToolFailure =>
  error instanceof ToolFailure && error.status === 409;

/** What to do where the name is taken: look at what has it, or change that. */
const alreadyThere = (
  { word, ofApplication }: Resource,
  error: ToolFailure,
  { flags }: ToolInput,
  body: Json,
): ToolFailure => {
  const name = str(body['uid'] ?? body['name']);
  const app = ofApplication && text(flags, 'app') !== undefined ? ` --app ${text(flags, 'app')!}` : '';
  return new ToolFailure(
    1,
    'already_there',
    `${name} is there already: ${error.message}`,
    `posthorn ${word} get ${name}${app} shows it, posthorn ${word} update ${name}${app} changes it. For another one choose another name.`,
    error.status,
  );
};

const toolsOf = (resource: Resource): readonly Tool[] => {
  const { word, one, columns, fields, needs } = resource;
  const base = resource.ofApplication ? [...CONNECTION_OPTIONS, APP_OPTION] : CONNECTION_OPTIONS;
  const flags = fields.map(({ flag, help }) => [flag, help] as const);
  const data = ['--data <json>', 'Any fields of the API, as JSON, @file or -; flags win.'] as const;
  return [
    {
      usage: `${word} list`,
      summary: `List ${word}.`,
      options: [...base, LIMIT_OPTION],
      run: async (input) => {
        const { connection, path } = await open(resource, input);
        const items = await connection.list(path, number(input.flags, 'limit', 50, [1, 100_000]));
        input.print.result({ data: items }, () => listing(items, columns));
        return 0;
      },
    },
    {
      usage: `${word} get <${one}>`,
      summary: `Show one of the ${word}.`,
      options: base,
      run: async (input) => {
        const { connection, path } = await open(resource, input);
        const item = await connection.call('GET', `${path}/${idOf(input)}`);
        input.print.result(item, () => details(item));
        return 0;
      },
    },
    {
      usage: `${word} create`,
      summary: `Make one. Prints its ${columns[0]!}.`,
      options: [...base, ...flags, data],
      run: async (input) => {
        const body = {
          ...(word === 'event-types' ? { description: '' } : {}),
          ...(await bodyOf(resource, input)),
        };
        const missing = fields.find(({ name }) => needs.includes(name) && !(name in body));
        if (missing !== undefined) throw usage(`${missing.flag} is needed to create one of the ${word}.`);
        const { connection, path } = await open(resource, input);
        const item = await connection.call('POST', path, body).catch((error: unknown) => {
          throw isTaken(error) ? alreadyThere(resource, error, input, body) : error;
        });
        input.print.result(item, String(item[columns[0]!]));
        if (word === 'endpoints' && input.terminal.errors && !input.print.json)
          input.print.note(`  its secret: posthorn endpoints secret ${str(item['uid'] ?? item['id'])}`);
        return 0;
      },
    },
    {
      usage: `${word} update <${one}>`,
      summary: 'Change what the flags say and nothing else.',
      options: [
        ...base,
        ...flags.filter(([flag]) => word !== 'event-types' || !flag.startsWith('--name')),
        data,
      ],
      run: async (input) => {
        const body = await bodyOf(resource, input);
        if (Object.keys(body).length === 0)
          throw usage('There is nothing to change: name a field.', `posthorn ${word} update --help`);
        const { connection, path } = await open(resource, input);
        const item = await connection.call('PATCH', `${path}/${idOf(input)}`, body);
        input.print.result(item, str(item[columns[0]!] ?? input.args[0]));
        return 0;
      },
    },
    {
      usage: `${word} delete <${one}>`,
      summary: 'Delete it.',
      options: base,
      run: async (input) => {
        const { connection, path } = await open(resource, input);
        await connection.call('DELETE', `${path}/${idOf(input)}`);
        input.print.result({ deleted: input.args[0] }, '');
        return 0;
      },
    },
  ];
};

export const ofEndpoint = [...CONNECTION_OPTIONS, APP_OPTION];

/** The endpoint that a command names, and the line to its server. */
export const openEndpoint = async (input: ToolInput): Promise<{ connection: Connection; path: string }> => {
  const { connection, path } = await open(RESOURCES[1]!, input);
  return { connection, path: `${path}/${idOf(input)}` };
};

export const resourceTools: readonly Tool[] = [
  ...RESOURCES.flatMap(toolsOf),
  {
    usage: 'endpoints secret <endpoint>',
    summary: 'Print the secret to verify its webhooks with, alone on standard output.',
    options: ofEndpoint,
    run: async (input) => {
      const { connection, path } = await openEndpoint(input);
      const { key } = await connection.call('GET', `${path}/secret`);
      input.print.result({ secret: key }, str(key));
      return 0;
    },
  },
  {
    usage: 'messages list',
    summary: 'List messages, newest first.',
    options: [
      ...ofEndpoint,
      LIMIT_OPTION,
      ['--events <types>', 'Only these event types, separated by commas.'],
    ],
    run: async (input) => {
      const connection = await connect(input);
      const app = await application(connection, input.flags, input.env);
      const events = list(input.flags, 'events');
      const query = new URLSearchParams([
        ['with_content', 'false'],
        ...(events ?? []).map((type): [string, string] => ['event_types', type]),
      ]);
      const items = await connection.list(
        `/app/${app}/msg?${query.toString()}`,
        number(input.flags, 'limit', 50, [1, 100_000]),
      );
      input.print.result({ data: items }, () =>
        listing(items, ['timestamp', 'id', 'eventType', 'eventId', 'channels']),
      );
      return 0;
    },
  },
  {
    usage: 'messages get <message>',
    summary: 'Show a message with its payload.',
    options: ofEndpoint,
    run: async (input) => {
      const connection = await connect(input);
      const app = await application(connection, input.flags, input.env);
      const item = await connection.call('GET', `/app/${app}/msg/${idOf(input)}`);
      input.print.result(item, () => details(item));
      return 0;
    },
  },
  {
    usage: 'messages attempts <message>',
    summary: 'List what was tried with a message, newest first, and what came of it.',
    options: [...ofEndpoint, LIMIT_OPTION],
    run: async (input) => {
      const connection = await connect(input);
      const app = await application(connection, input.flags, input.env);
      const items = await connection.list(
        `/app/${app}/attempt/msg/${idOf(input)}`,
        number(input.flags, 'limit', 50, [1, 100_000]),
      );
      const columns = [
        'timestamp',
        'statusText',
        'responseStatusCode',
        'cause',
        'responseDurationMs',
        'endpointId',
        'response',
      ];
      input.print.result({ data: items }, () =>
        listing(
          items.map((item) => ({ ...item, response: str(item['response'] ?? '').slice(0, 80) })),
          columns,
        ),
      );
      return 0;
    },
  },
];
