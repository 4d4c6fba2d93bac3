import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { broker } from '../brokers/broker.ts';
import { contract, type Send, type Sent } from './contract.ts';
import { lambdaRuntime } from './hosts/lambda-runtime.ts';
import { npm } from './hosts/npm.ts';

const file = (name: string): string => fileURLToPath(new URL(`./hosts/${name}`, import.meta.url));

/**
 * A directory with an aws-lambda-ric that has compiled its C++ half, which takes minutes; without it
 * ours stands in that place, and the rest is AWS's own.
 */
const COMPILED = process.env['AWS_LAMBDA_RIC'];

const interfaceClient = async (): Promise<string> => {
  const root = join(COMPILED ?? (await npm('aws-lambda-ric@4.0.2')), 'node_modules/aws-lambda-ric');
  if (COMPILED === undefined) {
    const code = `export * from ${JSON.stringify(file('lambda-transport.ts'))};`;
    await writeFile(join(root, 'rapid-client.node.js'), code);
  }
  return join(root, 'index.mjs');
};

const runtime = await lambdaRuntime();
afterAll(runtime.stop);
const started = await broker('the Lambda function', async (stage) => {
  const code = `export { handler } from ${JSON.stringify(file('lambda.ts'))};`;
  await writeFile(join(stage.directory, 'webhooks.mjs'), code);
  stage.start({
    command: process.execPath,
    args: [await interfaceClient(), 'webhooks.handler'],
    env: {
      AWS_LAMBDA_RUNTIME_API: runtime.address,
      AWS_LAMBDA_FUNCTION_NAME: 'webhooks',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '128',
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/webhooks',
      AWS_LAMBDA_LOG_STREAM_NAME: 'test',
      LAMBDA_TASK_ROOT: stage.directory,
      _HANDLER: 'webhooks.handler',
    },
  });
  await runtime.asked;
  return true;
});

type Result = { statusCode: number; headers: Record<string, string>; body: string };

const through =
  (eventOf: (request: Sent, path: string, query: string) => object): Send =>
  async (request) => {
    const [path = '', query = ''] = request.path.split('?');
    const result = (await runtime.invoke(eventOf(request, path, query))) as Result;
    return { status: result.statusCode, headers: result.headers, body: result.body };
  };

const joined = (headers: Sent['headers']): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat().join(',')]));
const lists = (headers: Sent['headers']): Record<string, string[]> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat()]));

/** HTTP APIs and function URLs encode what is not text by its content type. */
const encoded = (
  { body, headers }: Sent,
  always = false,
): { body: string | null; isBase64Encoded: boolean } => {
  if (body.length === 0) return { body: null, isBase64Encoded: false };
  const text = /^text\/|json|xml|javascript/.test(String(headers['content-type']));
  return always || !text
    ? { body: body.toString('base64'), isBase64Encoded: true }
    : { body: body.toString(), isBase64Encoded: false };
};

describe.skipIf(!started)('payload 2.0: HTTP API and function URL', () =>
  contract(
    through((request, path, query) => ({
      version: '2.0',
      routeKey: '$default',
      rawPath: path,
      rawQueryString: query,
      headers: joined(request.headers),
      ...(query === '' ? {} : { queryStringParameters: Object.fromEntries(new URLSearchParams(query)) }),
      requestContext: {
        domainName: 'abc.lambda-url.eu-central-1.on.aws',
        http: { method: request.method, path, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1' },
      },
      ...encoded(request),
    })),
    { joinsHeaders: true },
  ),
);

const one = (request: Sent, path: string, query: string): object => ({
  resource: '/{proxy+}',
  path,
  httpMethod: request.method,
  headers: Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, [value].flat().at(-1)]),
  ),
  multiValueHeaders: lists(request.headers),
  queryStringParameters: query === '' ? null : Object.fromEntries(new URLSearchParams(query)),
  multiValueQueryStringParameters: null,
  requestContext: {
    path: `/prod${path}`,
    domainName: 'abc.execute-api.eu-central-1.amazonaws.com',
    identity: { sourceIp: '192.0.2.1' },
  },
  ...encoded(request, true),
});

describe.skipIf(!started)('payload 1.0: REST API with binary media types', () => contract(through(one)));

describe.skipIf(!started)('load balancer with multi-value headers', () =>
  contract(
    through((request, path) => ({
      httpMethod: request.method,
      path,
      multiValueHeaders: lists(request.headers),
      multiValueQueryStringParameters: {},
      requestContext: {
        elb: { targetGroupArn: 'arn:aws:elasticloadbalancing:eu-central-1:0:targetgroup/a/b' },
      },
      ...encoded(request),
    })),
  ),
);

it.skipIf(!started)('says what to change when the gateway made text of binary', async () => {
  const body = Buffer.from([0xff, 0xfe, 0x00]).toString();
  const result = (await runtime.invoke({
    version: '2.0',
    rawPath: '/webhooks/main',
    rawQueryString: '',
    headers: {},
    requestContext: { http: { method: 'POST' } },
    body,
    isBase64Encoded: false,
  })) as Result;
  expect(result.statusCode).toBe(500);
  expect(JSON.parse(result.body)).toMatchObject({
    error: 'body_already_parsed',
    message: expect.stringContaining('binaryMediaTypes'),
  });
});
