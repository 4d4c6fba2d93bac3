import { OpenAPIHono, z } from '@hono/zod-openapi';
import { priorityNames } from '../domain/delivery.ts';
import { badRequest, invalid, json } from './answers.ts';
import type { Refusal } from './answers.ts';
import { completeEventType, tooManyEventTypes } from './event-type-shapes.ts';
import { priorityName } from './fields.ts';
import { operate } from './operation.ts';
import { readWebhooks } from './openapi-webhooks.ts';
import type { DescribedEventType } from './openapi-webhooks.ts';
import type { ApiDeps } from './port.ts';
import { readYaml } from './read-yaml.ts';
import type { EventTypeFields, EventTypeRecord } from './records.ts';
import { sample } from './sample.ts';
import { readJson } from './strict-json.ts';
import { largeBody } from './body.ts';
import { showTaskStarted, taskStarted } from './task-out.ts';

const TAG = 'Event Type';

const importIn = z
  .object({
    dryRun: z.boolean().default(false),
    replaceAll: z.boolean().default(false),
    spec: z.record(z.string(), z.unknown()).nullish(),
    specRaw: z.string().nullish(),
  })
  .openapi('EventTypeImportOpenApiIn', {
    example: {
      dryRun: true,
      spec: {
        openapi: '3.1.0',
        webhooks: { [sample.eventType]: { post: { description: 'An invoice was paid' } } },
      },
    },
  });

const described = z
  .object({
    name: z.string(),
    description: z.string(),
    schemas: z.record(z.string(), z.unknown()).nullable(),
    deprecated: z.boolean(),
    groupName: z.string().nullable(),
    featureFlags: z.array(z.string()).nullable(),
    priority: priorityName.optional(),
  })
  .openapi('EventTypeFromOpenApi');

const importOut = z
  .object({
    data: z
      .object({ modified: z.array(z.string()), to_modify: z.array(described).nullable() })
      .openapi('EventTypeImportOpenApiOutData'),
  })
  .openapi('EventTypeImportOpenApiOut', {
    example: { data: { modified: [sample.eventType], to_modify: null } },
  });

/** What an event type becomes: a document that says nothing of a field leaves it. */
const merged = (from: DescribedEventType, present: EventTypeRecord | undefined): EventTypeFields => ({
  ...completeEventType(present ?? {}),
  archived: false,
  description: from.description,
  deprecated: from.deprecated,
  ...(from.schemas === null ? {} : { schemas: from.schemas }),
  ...(from.groupName === null ? {} : { groupName: from.groupName }),
  ...(from.featureFlags === null ? {} : { featureFlags: from.featureFlags }),
  ...(from.priority === null ? {} : { priority: from.priority }),
});

const tooManyDocuments: Refusal = {
  kind: 'refused',
  status: 503,
  code: 'overloaded',
  detail: 'Too many YAML documents wait to be read. Send this one as JSON, or try again shortly.',
  headers: { 'retry-after': '5' },
};

/** Beyond this, YAML takes longer to read than a request may. */
const MAX_YAML = 2 * 1024 * 1024;

const readRaw = async (orgId: string, text: string): Promise<{ readonly document: unknown } | Refusal> => {
  const refuse = (why: string): Refusal =>
    invalid(['body', 'specRaw'], `The document cannot be read: ${why}.`);
  const isJson = text.trimStart().startsWith('{');
  if (!isJson && text.length > MAX_YAML) return refuse('it is too large for YAML; send it as JSON');
  const yaml = isJson ? ({ kind: 'json', json: text } as const) : await readYaml(orgId, text);
  if (yaml.kind === 'busy') return tooManyDocuments;
  if (yaml.kind === 'bad') return refuse(yaml.why);
  const reading = readJson(Buffer.from(yaml.json), largeBody.depth);
  return reading.kind === 'value' ? { document: reading.value } : refuse(reading.why);
};

/** Event types as the `webhooks` of an OpenAPI document, in and out. */
export const eventTypeTransferRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { eventTypes } = deps.store;

  operate(
    app,
    deps,
    {
      id: 'v1.event-type.import-openapi',
      method: 'post',
      path: '/event-type/import/openapi',
      tag: TAG,
      summary: 'Create and update event types from the webhooks of an OpenAPI document',
      who: 'org',
      body: importIn,
      answers: { 200: importOut },
      large: true,
    },
    async ({ principal, body }) => {
      const { spec, specRaw } = body;
      if ((spec ?? null) === null ? (specRaw ?? null) === null : (specRaw ?? null) !== null) {
        return badRequest('Send the document as `spec` (JSON) or as `specRaw` (text), and not as both.');
      }
      const read = typeof specRaw === 'string' ? await readRaw(principal.orgId, specRaw) : { document: spec };
      if ('kind' in read) return read;
      const webhooks = readWebhooks(read.document, typeof specRaw === 'string' ? 'specRaw' : 'spec');
      if (webhooks.kind === 'invalid') return webhooks;
      const { orgId } = principal;
      const present = new Map((await eventTypes.all(orgId)).map((record) => [record.name, record]));
      const wanted = webhooks.eventTypes.map((one) => ({
        name: one.name,
        fields: merged(one, present.get(one.name)),
      }));
      const named = new Set(wanted.map(({ name }) => name));
      const toArchive = body.replaceAll
        ? [...present.values()].filter(({ name, archived }) => !archived && !named.has(name))
        : [];
      if (body.dryRun) {
        const toModify = [
          ...wanted,
          ...toArchive.map((record) => ({ name: record.name, fields: record })),
        ].map(({ name, fields }) => ({
          name,
          description: fields.description,
          schemas: fields.schemas,
          deprecated: fields.deprecated,
          groupName: fields.groupName,
          featureFlags: fields.featureFlags,
          ...(fields.priority === null ? {} : { priority: priorityNames[fields.priority] }),
        }));
        return json(200, { data: { modified: [], to_modify: toModify } });
      }
      const archived = toArchive.map(({ name }) => name);
      const written = await eventTypes.writeMany(orgId, wanted, archived, deps.clock.nowMs());
      if (written.kind === 'too_much') return tooManyEventTypes;
      await deps.onConfigChange({ orgId, applicationId: null, endpointIds: [] });
      return json(200, { data: { modified: [...named, ...archived], to_modify: null } });
    },
  );

  operate(
    app,
    deps,
    {
      id: 'v1.event-type.export-openapi',
      method: 'post',
      path: '/event-type/export/openapi',
      tag: TAG,
      summary: 'Get all event types as an OpenAPI document: in the data of the task that this begins',
      who: 'org',
      answers: { 202: taskStarted },
    },
    async ({ principal }) => {
      const task = await deps.store.tasks.create({
        id: deps.ids('task'),
        path: { orgId: principal.orgId, applicationId: null },
        kind: 'sdk.generate',
        input: {
          endpointId: null,
          sinceMs: 0,
          untilMs: null,
          eventTypes: null,
          channel: null,
          tag: null,
          status: null,
        },
        nowMs: deps.clock.nowMs(),
      });
      deps.onTask();
      return json(202, showTaskStarted(task));
    },
  );

  return app;
};
