// Every operation of the document is sent its own example, and what comes back is held against two
// descriptions: ours, and what that of the Svix API requires of the same operation.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sample } from '../../src/api/sample.ts';
import {
  createValidator,
  inOrder,
  mediaOf,
  neededQuery,
  operationsOf,
  readDocument,
  webhooksOf,
} from './document.ts';
import type { Document, Operation } from './document.ts';
import { eventually, postMessage, startReceiver } from '../journey/harness.ts';
import type { Receiver, Shown } from '../journey/harness.ts';
import { startPopulated } from './populated.ts';
import type { Populated } from './populated.ts';

type Reference = {
  readonly operations: Readonly<Record<string, string>>;
  readonly shapes: Readonly<Record<string, Readonly<Record<string, string>>>>;
};
/** Made by tools/required-fields.ts. */
const reference = JSON.parse(
  readFileSync(new URL('required-fields.json', import.meta.url), 'utf8'),
) as Reference;

type Got = { readonly operation: Operation; readonly status: number; readonly body: unknown };

/** Fields that name what is created: an example's may be given away already. */
const NAMES = ['uid', 'eventId', 'name'];
const renamed = (body: Record<string, unknown>, suffix: string): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(body).map(([field, value]) => [
      field,
      NAMES.includes(field) && typeof value === 'string' ? value + suffix : value,
    ]),
  );

/** A message that has just died: for what can be done with a dead letter once. */
const freshLetter = async ({ server }: Populated): Promise<Record<string, string>> => {
  const at = `/api/v1/app/${sample.appUid}`;
  const id = await postMessage(server, at, sample.eventType);
  await eventually(
    () => server.call('GET', `${at}/dead-letter`),
    ({ body }) => body.data.some(({ msgId }: Shown) => msgId === id),
  );
  return { msg_id: id };
};

/** An endpoint that a dead letter has stopped. */
const blockedEndpoint = async ({ server, receiver }: Populated): Promise<Record<string, string>> => {
  const at = `/api/v1/app/${sample.appUid}`;
  const { body } = await server.call('POST', `${at}/endpoint`, {
    url: receiver.url,
    eventTypes: [sample.eventType],
    poisonPolicy: 'block',
  });
  await server.call('POST', `${at}/msg`, {
    eventType: sample.eventType,
    payload: {},
    orderingKey: sample.orderingKey,
  });
  await eventually(
    () => server.call('GET', `${at}/endpoint/${body.id}/blocked-key`),
    (blocked) => blocked.body.data.length > 0,
  );
  return { endpoint_id: body.id };
};

/** What one operation alone needs: parameters of its path, and fields of its body that depend on the day. */
type Prepared = {
  readonly params?: Record<string, string>;
  readonly body?: Record<string, unknown>;
  readonly token?: string;
};
const hoursFromNow = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString();

const PREPARED: Readonly<Record<string, (world: Populated) => Promise<Prepared>>> = {
  'v1.dead-letter.replay': async (world) => ({ params: await freshLetter(world) }),
  'v1.dead-letter.discard': async (world) => ({ params: await freshLetter(world) }),
  'v1.endpoint.list-blocked-keys': async (world) => ({ params: await blockedEndpoint(world) }),
  // Only an application's token can be logged out.
  'v1.authentication.logout': async ({ tokens }) => ({ token: tokens.foreignApp }),
  // The example has a date, and some day it is of the past, or of too long ago.
  'v1.endpoint.pause': async () => ({ body: { until: hoursFromNow(1) } }),
  'v1.endpoint.recover': async () => ({ body: { since: hoursFromNow(-1) } }),
  'v1.admin.server': async ({ tokens }) => ({ token: tokens.operator }),
  'v1.admin.cluster': async ({ tokens }) => ({ token: tokens.operator }),
};

/** What may be said instead of yes, of things that the test cannot arrange. */
const INSTEAD: Readonly<Record<string, number>> = {
  // Nothing was handed out with the example's offset.
  'v1.message.pollerv2.consumer-commit': 422,
  // By now the task is finished.
  'v1.background-task.cancel': 409,
};
const isInstead = ({ operation, status }: Got): boolean => INSTEAD[operation.operationId] === status;

const keyOf = (method: string, path: string): string => `${method} ${path.replaceAll(/\{\w+\}/g, '{}')}`;

/** The paths of required fields that a value lacks. */
const lacking = (shape: string, value: unknown, at = ''): string[] => {
  if (shape === '' || value === null) return [];
  if (shape.endsWith('[]'))
    return Array.isArray(value)
      ? value.flatMap((item, index) => lacking(shape.slice(0, -2), item, `${at}[${index}]`))
      : [`${at}: not a list`];
  if (typeof value !== 'object') return [`${at}: not an object`];
  return Object.entries(reference.shapes[shape] ?? {}).flatMap(([field, inner]) =>
    field in value
      ? lacking(inner, (value as Record<string, unknown>)[field], `${at}.${field}`)
      : [`${at}.${field}`],
  );
};

describe('every operation', () => {
  let world: Populated;
  let document: Document;
  let listener: Receiver;
  const answers: Got[] = [];

  const send = async (operation: Operation, prepared: Prepared, sent: unknown): Promise<Got> => {
    const response = await fetch(
      world.server.url + world.fill(operation.path, prepared.params) + neededQuery(operation),
      {
        method: operation.method,
        headers: { authorization: `Bearer ${prepared.token ?? world.tokens.org}` },
        ...(sent === undefined ? {} : { body: JSON.stringify(sent) }),
      },
    );
    const text = await response.text();
    return { operation, status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };

  beforeAll(async () => {
    world = await startPopulated();
    listener = await startReceiver();
    await world.server.call('POST', '/api/v1/operational-webhook/endpoint', { url: listener.url });
    document = await readDocument((path) => world.server.call('GET', path));
    for (const operation of inOrder(operationsOf(document))) {
      const example = mediaOf(operation.requestBody)?.example as Record<string, unknown> | undefined;
      const prepared = (await PREPARED[operation.operationId]?.(world)) ?? {};
      const sent = example === undefined ? undefined : { ...example, ...prepared.body };
      const got = await send(operation, prepared, sent);
      const again = got.status === 409 && sent !== undefined;
      answers.push(again ? await send(operation, prepared, renamed(sent, `-${answers.length}`)) : got);
    }
  }, 120_000);
  afterAll(async () => {
    await listener?.close();
    await world?.stop();
  });

  it('succeeds with its own example', () => {
    const failed = answers.filter((got) => got.status >= 300 && !isInstead(got));
    expect(failed.map(({ operation, status, body }) => [operation.operationId, status, body])).toEqual([]);
  });

  it('answers as the document says', () => {
    const problemWith = createValidator(document);
    const wrong = answers.flatMap(({ operation, status, body }) => {
      const described = operation.responses[String(status)];
      if (described === undefined) return [`${operation.operationId}: ${status} is not documented`];
      const schema = mediaOf(described)?.schema;
      const problem =
        schema === undefined ? (body === undefined ? null : 'has a body') : problemWith(schema, body);
      return problem === null ? [] : [`${operation.operationId} ${status}: ${problem}`];
    });
    expect(wrong).toEqual([]);
  });

  it('has every field that clients of the Svix API require', () => {
    const required = new Map(
      Object.entries(reference.operations).map(([operation, shape]) => {
        const [method = '', path = ''] = operation.split(' ');
        return [keyOf(method, path), shape];
      }),
    );
    const seen = new Set(answers.map(({ operation }) => keyOf(operation.method, operation.path)));
    expect([...required.keys()].filter((operation) => !seen.has(operation))).toEqual([]);
    const known = answers.filter(
      (got) => !isInstead(got) && required.has(keyOf(got.operation.method, got.operation.path)),
    );
    const wrong = known.flatMap(({ operation, body }) =>
      lacking(required.get(keyOf(operation.method, operation.path))!, body).map(
        (field) => `${operation.operationId} lacks ${field}`,
      ),
    );
    expect(wrong).toEqual([]);
  });

  it('that Posthorn tells of by webhook is told as the document says', async () => {
    const problemWith = createValidator(document);
    const known = webhooksOf(document);
    await listener.until((arrivals) => arrivals.some(({ body }) => body.includes('endpoint.updated')));
    const events = listener.arrivals.flatMap(({ body }) => {
      const event = JSON.parse(body.toString()) as { type?: string };
      const operation = known.find(({ operationId }) => operationId === event.type);
      return operation === undefined ? [] : [{ event, operation }];
    });
    const wrong = events.flatMap(({ event, operation }) => {
      const problem = problemWith(mediaOf(operation.requestBody)!.schema!, event);
      return problem === null ? [] : [`${operation.operationId}: ${problem}`];
    });
    expect(wrong).toEqual([]);
    expect(new Set(events.map(({ event }) => event.type))).toContain('endpoint.updated');
  });

  it('of a list was shown one with something in it', () => {
    const empty = answers.filter(
      ({ body }) =>
        typeof body === 'object' &&
        body !== null &&
        'data' in body &&
        Array.isArray(body.data) &&
        body.data.length === 0,
    );
    expect(empty.map(({ operation }) => operation.operationId)).toEqual([]);
  });

  it('that lacks a field would be found', () => {
    const whole = answers.find(({ operation }) => operation.operationId === 'v1.application.list')!.body;
    const cut = structuredClone(whole) as { data: Record<string, unknown>[] };
    delete cut.data[0]!['createdAt'];
    expect(lacking('ListResponse_ApplicationOut_', whole)).toEqual([]);
    expect(lacking('ListResponse_ApplicationOut_', cut)).toEqual(['.data[0].createdAt']);
  });
});
