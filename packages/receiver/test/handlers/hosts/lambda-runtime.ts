// The runtime API that AWS gives to a Lambda's runtime, for one function:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
import { randomUUID } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import { close, listen } from './http.ts';

type Call = {
  readonly id: string;
  readonly event: unknown;
  readonly settle: (body: string, ok: boolean) => void;
};

const ROOT = '/2018-06-01/runtime';
const TIMEOUT_MS = 20_000;

export type LambdaRuntime = {
  /** For AWS_LAMBDA_RUNTIME_API. */
  readonly address: string;
  /** Resolves when the function asks for work; rejects when it does not. */
  readonly asked: Promise<void>;
  /** Resolves with what the function returns; rejects with what it throws. */
  readonly invoke: (event: unknown) => Promise<unknown>;
  readonly stop: () => Promise<void>;
};

export const lambdaRuntime = async (): Promise<LambdaRuntime> => {
  const waiting: Call[] = [];
  const running = new Map<string, Call>();
  let idle: ServerResponse | null = null;
  const { promise: asked, resolve: ask, reject: fail } = Promise.withResolvers<void>();
  const patience = setTimeout(() => fail(new Error('The function asks for nothing.')), TIMEOUT_MS);
  // Nobody waits where the function could not even be installed.
  asked.catch(() => undefined);

  const pass = (): void => {
    const call = idle === null ? undefined : waiting.shift();
    if (call === undefined || idle === null) return;
    running.set(call.id, call);
    const body = JSON.stringify(call.event);
    idle.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'lambda-runtime-aws-request-id': call.id,
      'lambda-runtime-deadline-ms': Date.now() + TIMEOUT_MS,
      'lambda-runtime-invoked-function-arn': 'arn:aws:lambda:eu-central-1:000000000000:function:webhooks',
    });
    idle.end(body);
    idle = null;
  };

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url === `${ROOT}/invocation/next`) {
        idle = response;
        clearTimeout(patience);
        ask();
        return pass();
      }
      const [, id = '', end] = /\/invocation\/([^/]+)\/(response|error)$/.exec(request.url ?? '') ?? [];
      running.get(id)?.settle(Buffer.concat(chunks).toString(), end === 'response');
      running.delete(id);
      response.writeHead(202).end('{}');
    });
  });
  const port = await listen(server);
  return {
    asked,
    address: `127.0.0.1:${port}`,
    invoke: (event) =>
      new Promise((resolve, reject) => {
        const settle = (body: string, ok: boolean): void =>
          ok ? resolve(JSON.parse(body)) : reject(new Error(`The function failed: ${body}`));
        waiting.push({ id: randomUUID(), event, settle });
        pass();
      }),
    stop: () => close(server),
  };
};
