// A running server with one of everything, named as in the document's examples: so that these can be
// sent as they are.
import { sample } from '../../src/api/sample.ts';
import {
  asOperator,
  attemptsOf,
  eventually,
  startReceiver,
  startTestServer,
  tokenFor,
} from '../journey/harness.ts';
import type { Receiver, Shown, TestServer, TestServerOptions } from '../journey/harness.ts';

const FOREIGN_ORG = 'org_00000000000000000000000FRGN';

export type Populated = {
  readonly server: TestServer;
  readonly receiver: Receiver;
  /** By name of path parameter: what the examples name. */
  readonly params: Readonly<Record<string, string>>;
  /** The same as ids, which no change changes. */
  readonly idsIn: (path: string) => Readonly<Record<string, string>>;
  readonly tokens: {
    readonly org: string;
    readonly foreignOrg: string;
    readonly app: string;
    readonly foreignApp: string;
    readonly operator: string;
  };
  /** A path with its parameters filled in. @throws Error for a parameter that nothing here has. */
  readonly fill: (path: string, others?: Readonly<Record<string, string>>) => string;
  readonly stop: () => Promise<void>;
};

/** Starts it. The one receiver refuses everything and there are no retries: all messages die. */
export const startPopulated = async (options: TestServerOptions = {}): Promise<Populated> => {
  const server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '' }, {}, options);
  const receiver = await startReceiver((_, response) => void response.writeHead(503).end('later'));
  const must = async (method: string, path: string, body?: unknown): Promise<Shown> => {
    const answer = await server.call(method, `/api/v1${path}`, body);
    if (answer.status >= 300)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const at = `/app/${sample.appUid}`;
  await must('POST', '/event-type', {
    name: sample.eventType,
    description: 'An invoice was paid',
    schemas: { 1: { type: 'object', examples: [sample.payload] } },
  });
  const app = await must('POST', '/app', { name: 'Acme', uid: sample.appUid });
  const endpoint = await must('POST', `${at}/endpoint`, {
    url: receiver.url,
    uid: sample.endpointUid,
    eventTypes: [sample.eventType],
  });
  const message = await must('POST', `${at}/msg`, {
    eventType: sample.eventType,
    eventId: sample.eventId,
    payload: sample.payload,
  });
  const [attempt] = await attemptsOf(server, `/api/v1${at}`, sample.eventId, (all) => all.length > 0);
  await eventually(
    () => must('GET', `${at}/dead-letter`),
    ({ data }) => data.length > 0,
  );
  const task = await must('POST', `${at}/endpoint/${sample.endpointUid}/recover`, {
    // After the message: what is dead stays dead.
    since: new Date().toISOString(),
  });
  await eventually(
    () => must('GET', `/background-task/${task.id}`),
    ({ status }) => status === 'finished',
  );
  // Last: nobody is to be told of what was done so far.
  const operational = await must('POST', '/operational-webhook/endpoint', {
    url: receiver.url,
    uid: sample.endpointUid,
  });
  const neighbour = await must('POST', '/app', { name: 'Neighbour', uid: 'neighbour' });
  const params: Record<string, string> = {
    app_id: sample.appUid,
    endpoint_id: sample.endpointUid,
    msg_id: sample.eventId,
    attempt_id: attempt.id,
    event_type_name: sample.eventType,
    task_id: task.id,
    sink_id: sample.endpointUid,
    consumer_id: 'reports',
  };
  return {
    server,
    receiver,
    params,
    idsIn: (path) => ({
      ...params,
      app_id: app.id,
      endpoint_id: path.includes('/operational-webhook/') ? operational.id : endpoint.id,
      msg_id: message.id,
    }),
    tokens: {
      org: server.token,
      foreignOrg: await tokenFor(FOREIGN_ORG),
      app: await tokenFor(undefined, app.id),
      foreignApp: await tokenFor(undefined, neighbour.id),
      operator: asOperator().authorization.slice('Bearer '.length),
    },
    fill: (path, others = {}) =>
      path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => {
        const value = others[name] ?? params[name];
        if (value === undefined)
          throw new Error(`${path}: test/api/populated.ts has no {${name}}. Make one there.`);
        return value;
      }),
    stop: async () => {
      await receiver.close();
      await server.stop();
    },
  };
};

/** Written to by the server's own clockwork, whoever asks for what. */
const CLOCKWORK = [
  'node',
  'partition',
  'draining',
  'lane',
  'notice',
  'schema_migration',
  'statistic_hour',
  'statistic_mark',
  'statistic_minutes',
];

/** Every row of every table, as one text to compare. @param without Tables that are not looked at. */
export const contentsOf = async (server: TestServer, without: readonly string[] = []): Promise<string> => {
  const tables = await server.sql(
    `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition
       and c.relname <> all ($1) order by 1`,
    [[...CLOCKWORK, ...without]],
  );
  const sums = tables.map(
    ({ name }: { name: string }) =>
      `(select count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from "${name}" t) as "${name}"`,
  );
  const [row] = await server.sql(`select ${sums.join(', ')}`);
  return JSON.stringify(row, null, 1);
};
