// An Azure Functions host for one HTTP function: it loads the function as Azure's Node worker does,
// through the programming model of @azure/functions, and calls it with the host's RPC messages.
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { registerHooks } from 'node:module';
import { core } from './azure-core.ts';

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === '@azure/functions-core'
      ? { url: new URL('./azure-core.ts', import.meta.url).href, shortCircuit: true }
      : next(specifier, context),
});
const { app: azure } = await import('@azure/functions');
const { webhooks } = await import('../../../src/handlers/azure-functions.ts');
const { app } = await import('../app.ts');

azure.http('webhooks', {
  methods: ['GET', 'HEAD', 'POST'],
  authLevel: 'anonymous',
  route: 'webhooks/{source}',
  handler: webhooks(app()),
});

const { model, functions } = core;
const [registered] = functions;
if (model === null || registered === undefined) throw new Error('nothing was registered');
await model.getCapabilities({});

/** The host hands text over as such and everything else as bytes. */
const data = (type: string, bytes: Buffer): object =>
  bytes.length === 0
    ? {}
    : /^text\/|json|xml|urlencoded/.test(type)
      ? { string: bytes.toString() }
      : { bytes };

const joined = (request: IncomingMessage): Record<string, string> =>
  Object.fromEntries(
    Object.entries(request.headersDistinct).map(([name, values]) => [name, (values ?? []).join(',')]),
  );

const invoke = async (request: IncomingMessage, body: Buffer) => {
  const { metadata, callback } = registered;
  const invocation = model.getInvocationModel({
    invocationId: randomUUID(),
    metadata,
    request: {
      inputData: [
        {
          name: 'httpTrigger' in metadata.bindings ? 'httpTrigger' : Object.keys(metadata.bindings)[0],
          data: {
            http: {
              method: request.method,
              url: `http://localhost:7071${request.url ?? '/'}`,
              headers: joined(request),
              body: data(request.headers['content-type'] ?? '', body),
            },
          },
        },
      ],
      triggerMetadata: {},
    },
    log: () => undefined,
  });
  const { context, inputs } = await invocation.getArguments();
  const result = await invocation.invokeFunction(context, inputs, callback);
  return (await invocation.getResponse(context, result)).returnValue.http;
};

createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    invoke(request, Buffer.concat(chunks)).then(
      ({ statusCode, headers, body }) =>
        response.writeHead(Number(statusCode), headers).end(body?.bytes ?? body?.string),
      (error: unknown) => response.writeHead(599).end(String(error)),
    );
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
