import { eventTypeLimits } from '../domain/event-types.ts';
import { priorities, priorityNames, type Priority } from '../domain/delivery.ts';
import type { Invalidity } from './answers.ts';
import { eventTypeName, isIdOrUid, plainText, priorityName } from './fields.ts';
import { schemaProblem } from './json-schema.ts';
import { bundleSchema, unbundleSchema } from './openapi-schema.ts';
import { isObject, resolvePointer } from './schema-graph.ts';
import type { EventTypeRecord } from './records.ts';

type Json = Readonly<Record<string, unknown>>;

/** An event type as an OpenAPI document describes it; null: the document does not say. */
export type DescribedEventType = {
  readonly name: string;
  readonly description: string;
  readonly schemas: Json | null;
  readonly deprecated: boolean;
  readonly groupName: string | null;
  readonly featureFlags: readonly string[] | null;
  readonly priority: Priority | null;
};

export type WebhooksReading =
  | { readonly kind: 'read'; readonly eventTypes: readonly DescribedEventType[] }
  | { readonly kind: 'invalid'; readonly items: readonly Invalidity[] };

const METHODS = ['post', 'put', 'patch', 'get', 'delete'];
const SCHEMA_VERSION = '1';
const text = plainText();

const at = (document: Json, value: unknown): unknown =>
  isObject(value) && typeof value['$ref'] === 'string'
    ? resolvePointer(document, value['$ref'].replace(/^#/, ''))
    : value;

const textOf = (...values: readonly unknown[]): string =>
  values.find((value): value is string => typeof value === 'string') ?? '';

/** The JSON body of a request: its schema, with the examples that stand beside it. */
const schemaOf = (document: Json, operation: Json): Json | null => {
  const body = at(document, operation['requestBody']);
  const content = isObject(body) && isObject(body['content']) ? body['content'] : {};
  const media =
    content['application/json'] ?? Object.entries(content).find(([type]) => type.includes('json'))?.[1];
  if (!isObject(media) || !isObject(media['schema'])) return null;
  const examples = isObject(media['examples'])
    ? Object.values(media['examples']).flatMap((one) => {
        const example = at(document, one);
        return isObject(example) && 'value' in example ? [example['value']] : [];
      })
    : [];
  if ('example' in media) examples.unshift(media['example']);
  return examples.length === 0 || 'examples' in media['schema']
    ? media['schema']
    : { allOf: [media['schema']], examples };
};

const flagsOf = (operation: Json): unknown => {
  const one = operation['x-svix-feature-flag'];
  return operation['x-svix-feature-flags'] ?? (one === undefined || one === null ? null : [one]);
};

const describe = (document: Json, key: string, item: unknown): DescribedEventType | string => {
  const path = at(document, item);
  if (!isObject(path)) return 'is no path item';
  const operation = METHODS.map((method) => path[method]).find(isObject);
  if (operation === undefined) return 'has no operation';
  const name = isIdOrUid(key) ? key : operation['operationId'];
  if (!eventTypeName.safeParse(name).success) {
    return 'has no name for an event type: letters, digits, "-", "_" and ".", as its key or its operationId';
  }
  const description = textOf(
    operation['description'],
    operation['summary'],
    path['description'],
    path['summary'],
  );
  if (!text.safeParse(description).success) return 'has control characters in its description';
  const groupName = operation['x-svix-group-name'] ?? null;
  if (groupName !== null && !eventTypeName.safeParse(groupName).success) {
    return 'has an `x-svix-group-name` that is no name';
  }
  const flags = flagsOf(operation);
  if (flags !== null && !eventTypeName.array().min(1).max(25).safeParse(flags).success) {
    return 'has `x-svix-feature-flags` that are no list of 1 to 25 names';
  }
  const priority = operation['x-posthorn-priority'] ?? null;
  const named = priorityName.nullable().safeParse(priority);
  if (!named.success) return `has an \`x-posthorn-priority\` that is none of ${priorityNames.join(', ')}`;
  const posted = schemaOf(document, operation);
  const bundled = posted === null ? null : bundleSchema(posted, document);
  if (bundled?.kind === 'unresolved') return `refers to ${bundled.ref}, which is not in the document`;
  const problem = bundled === null ? null : schemaProblem(bundled.schema);
  if (problem !== null) return problem;
  return {
    name: name as string,
    description,
    schemas: bundled === null ? null : { [SCHEMA_VERSION]: bundled.schema },
    deprecated: operation['deprecated'] === true,
    groupName: groupName as string | null,
    featureFlags: flags as string[] | null,
    priority: named.data === null ? null : priorities[named.data],
  };
};

/**
 * The event types of an OpenAPI document (3.0 or 3.1): its `webhooks` and `x-webhooks`.
 *
 * @param where Where the document lies in the request, for locations (`spec` or `specRaw`).
 */
export const readWebhooks = (document: unknown, where: string): WebhooksReading => {
  const invalid = (msg: string, ...loc: string[]): Invalidity => ({
    loc: ['body', where, ...loc],
    msg,
    type: 'value_error',
  });
  const refuse = (msg: string): WebhooksReading => ({ kind: 'invalid', items: [invalid(msg)] });
  if (!isObject(document)) return refuse('An OpenAPI document is an object.');
  const sections = ['webhooks', 'x-webhooks'].filter((name) => isObject(document[name]));
  if (sections.length === 0) return refuse('The document has neither `webhooks` nor `x-webhooks`.');
  const entries = sections.flatMap((section) =>
    Object.entries(document[section] as Json).map(([key, item]) => ({ section, key, item })),
  );
  if (entries.length > eventTypeLimits.count) return refuse(`At most ${eventTypeLimits.count} webhooks.`);
  const found = new Map<string, DescribedEventType>();
  const items: Invalidity[] = [];
  let characters = 0;
  for (const { section, key, item } of entries) {
    const described = describe(document, key, item);
    if (typeof described === 'string') items.push(invalid(described, section, key));
    else if (found.has(described.name)) items.push(invalid('is described twice', section, key));
    else found.set(described.name, described);
    if (typeof described !== 'string') characters += JSON.stringify(described.schemas).length;
    // Each carries what it refers to.
    if (characters > eventTypeLimits.bytes)
      return refuse('The schemas are too large, each with what it refers to.');
  }
  return items.length > 0 ? { kind: 'invalid', items } : { kind: 'read', eventTypes: [...found.values()] };
};

const newestOf = (schemas: Json | null): unknown =>
  Object.entries(schemas ?? {})
    .toSorted(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1)?.[1];

/** Event types as an OpenAPI 3.1 document that {@link readWebhooks} reads; of schemas the newest version. */
export const writeWebhooks = (eventTypes: readonly EventTypeRecord[]): Json => {
  const schemas: Record<string, unknown> = {};
  const webhooks = eventTypes.map((eventType): [string, Json] => {
    const newest = newestOf(eventType.schemas);
    const parts = isObject(newest) ? unbundleSchema(newest, eventType.name) : null;
    Object.assign(schemas, parts?.components);
    const operation = {
      operationId: eventType.name,
      description: eventType.description,
      ...(eventType.deprecated ? { deprecated: true } : {}),
      ...(eventType.groupName === null ? {} : { 'x-svix-group-name': eventType.groupName }),
      ...(eventType.featureFlags === null ? {} : { 'x-svix-feature-flags': eventType.featureFlags }),
      ...(eventType.priority === null ? {} : { 'x-posthorn-priority': priorityNames[eventType.priority] }),
      ...(parts === null
        ? {}
        : { requestBody: { content: { 'application/json': { schema: parts.schema } } } }),
      responses: { '2XX': { description: 'Received' } },
    };
    return [eventType.name, { post: operation }];
  });
  return {
    openapi: '3.1.0',
    info: { title: 'Event types', version: '1' },
    webhooks: Object.fromEntries(webhooks),
    ...(Object.keys(schemas).length === 0 ? {} : { components: { schemas } }),
  };
};
