import { Validator } from '@seriousme/openapi-schema-validator';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  createValidator,
  mediaOf,
  operationsOf,
  readDocument,
  webhooksOf,
  type Document,
  type Operation,
} from './document.ts';
import { useApi } from './harness.ts';

const harness = useApi();

const REQUEST_HELP =
  "has a request body without an example. Give its shape one, .openapi('Name', { example: … }), or the operation: example: { request: … }.";
const ANSWER_HELP =
  "has an answer without an example. Give its shape one, .openapi('Name', { example: … }), or the operation: example: { answer: … }.";

const nameOf = ({ operationId, method, path }: Operation): string => `${operationId} (${method} ${path})`;

/** What an operation lacks of examples, in sentences that say what to do. */
const withoutExamples = (operation: Operation): string[] => [
  ...(operation.requestBody !== undefined && mediaOf(operation.requestBody)?.example === undefined
    ? [`${nameOf(operation)} ${REQUEST_HELP}`]
    : []),
  ...Object.entries(operation.responses).flatMap(([status, response]) => {
    const media = mediaOf(response);
    return media !== undefined && media.example === undefined
      ? [`${nameOf(operation)}, ${status}, ${ANSWER_HELP}`]
      : [];
  }),
];

describe('the OpenAPI document', () => {
  let document: Document;
  let operations: Operation[];
  beforeAll(async () => {
    document = await readDocument((path) => harness.call('GET', path, { token: null }));
    operations = [...operationsOf(document), ...webhooksOf(document)];
  });

  it('conforms to OpenAPI 3.1', async () => {
    const result = await new Validator().validate(structuredClone(document));
    expect(result.errors ?? []).toEqual([]);
    expect([result.valid, document.openapi]).toEqual([true, '3.1.0']);
  });

  it('names every operation once, with a tag that is described', () => {
    const ids = operations.map(({ operationId }) => operationId);
    expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
    expect(document.tags.filter(({ description }) => description === undefined)).toEqual([]);
  });

  it('has an example for every request and every answer', () => {
    expect(operations.flatMap(withoutExamples)).toEqual([]);
  });

  it('has examples that are valid', () => {
    const problemWith = createValidator(document);
    const wrong = operations.flatMap((operation) =>
      [['request', operation.requestBody] as const, ...Object.entries(operation.responses)].flatMap(
        ([where, contents]) => {
          const media = mediaOf(contents);
          const problem = media?.schema === undefined ? null : problemWith(media.schema, media.example);
          return problem === null ? [] : [`${nameOf(operation)}, ${where}: ${problem}`];
        },
      ),
    );
    expect(wrong).toEqual([]);
  });

  it('describes every operation, answer and parameter of a path', () => {
    const silent = operations.filter(
      ({ summary, description, responses, parameters = [] }) =>
        !summary ||
        !description ||
        Object.values(responses).some((answer) => !answer.description) ||
        parameters.some((parameter) => parameter.in === 'path' && !parameter.description),
    );
    expect(silent.map(nameOf)).toEqual([]);
  });

  it('asks for a token and says how it is refused, save where none is needed', () => {
    const open = operationsOf(document).filter(({ security }) => security === undefined);
    expect(open.map(({ operationId }) => operationId).toSorted()).toEqual([
      'v1.egress-ips.get',
      'v1.health.get',
      'v1.health.ping',
    ]);
    const unsaid = operationsOf(document).flatMap((operation) =>
      [...(operation.security === undefined ? [] : ['400', '401']), '422', '503']
        .filter((status) => !(status in operation.responses))
        .map((status) => `${nameOf(operation)}: ${status}`),
    );
    expect(unsaid).toEqual([]);
  });

  it('has what Posthorn tells by webhook', () => {
    expect(Object.keys(document.webhooks)).toEqual([
      'endpoint.created',
      'endpoint.updated',
      'endpoint.deleted',
      'endpoint.disabled',
      'endpoint.enabled',
      'message.attempt.failing',
      'message.attempt.exhausted',
      'message.attempt.recovered',
      'background_task.finished',
    ]);
  });

  it('finds an operation without an example, and an example that is not valid', () => {
    const planted: Operation = {
      operationId: 'v1.planted',
      method: 'POST',
      path: '/planted',
      requestBody: { content: { 'application/json': { schema: { type: 'string' } } } },
      responses: { 200: { content: { 'application/json': { schema: { type: 'string' } } } } },
    };
    expect(withoutExamples(planted)).toEqual([
      `v1.planted (POST /planted) ${REQUEST_HELP}`,
      `v1.planted (POST /planted), 200, ${ANSWER_HELP}`,
    ]);
    const shape = { $ref: '#/components/schemas/ApplicationOut' };
    expect(createValidator(document)(shape, { id: 5 })).toContain('must be string');
  });
});
