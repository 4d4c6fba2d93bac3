import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { verify } from '@posthorn/receiver';
import type { ExitCode } from './output.ts';
import { plain } from './printer.ts';
import { choice, limitOf, number, ToolFailure, type Tool, type ToolInput } from './tool.ts';

export const MODES = ['ok', 'slow', 'flaky', '429', '410', '500', 'garbage', 'hang', 'reset'] as const;
export type Mode = (typeof MODES)[number];

export const receiverTool: Tool = {
  usage: 'simulate receiver <port>',
  summary: 'A receiver that behaves as receivers do: well, slowly, sometimes, or badly.',
  options: [
    ['--mode <mode>', `One of ${MODES.join(', ')}. Default: ok.`],
    ['--delay <seconds>', 'How slow `slow` is. Default: 5.'],
    ['--fail-rate <share>', 'How often `flaky` answers 503, from 0 to 1. Default: 0.5.'],
    ['--retry-after <seconds>', 'The Retry-After of `429`. Default: 1.'],
    ['--limit <count>', 'End after so many requests.'],
  ],
  run: (input) => simulate(input),
};

/** What to do with a request. */
export type Behaviour =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly afterMs: number;
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'garbage' }
  | { readonly kind: 'hang' }
  | { readonly kind: 'reset' };

export type Habits = {
  readonly mode: Mode;
  readonly delayMs: number;
  readonly failRate: number;
  readonly retryAfter: number;
};

/** @param chance Uniform in [0, 1). */
export const behave = ({ mode, delayMs, failRate, retryAfter }: Habits, chance: number): Behaviour => {
  const answer = (
    status: number,
    afterMs = 0,
    headers: Readonly<Record<string, string>> = {},
  ): Behaviour => ({
    kind: 'answer',
    status,
    afterMs,
    headers,
  });
  switch (mode) {
    case 'ok':
      return answer(200);
    case 'slow':
      return answer(200, delayMs);
    case 'flaky':
      return answer(chance < failRate ? 503 : 200);
    case '429':
      return answer(429, 0, { 'retry-after': String(retryAfter) });
    case '410':
      return answer(410);
    case '500':
      return answer(500);
    case 'garbage':
    case 'hang':
    case 'reset':
      return { kind: mode };
    default:
      return mode satisfies never;
  }
};

const act = (behaviour: Behaviour, response: ServerResponse): void => {
  switch (behaviour.kind) {
    case 'answer': {
      const { status, afterMs, headers } = behaviour;
      setTimeout(() => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers });
        response.end(JSON.stringify({ simulated: status }));
      }, afterMs);
      return;
    }
    case 'garbage':
      response.socket?.end('\u0000\u0001 this is not HTTP\r\n\r\n');
      return;
    case 'hang':
      return;
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
    default:
      return behaviour satisfies never;
  }
};

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const simulate = async (input: ToolInput): Promise<ExitCode> => {
  const { args, flags, env, clock, random, print } = input;
  const port = Number(args[0]);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new ToolFailure(2, 'usage', `"${args[0] ?? ''}" is no port; 0 takes any free one.`);
  const habits: Habits = {
    mode: choice(flags, 'mode', MODES, 'ok'),
    delayMs: number(flags, 'delay', 5, [0, 600]) * 1000,
    failRate: number(flags, 'failRate', 0.5, [0, 1]),
    retryAfter: number(flags, 'retryAfter', 1, [0, 86_400]),
  };
  const limit = limitOf(flags);
  const secret = env['WEBHOOK_SECRET'];
  const stop = input.stop();
  let count = 0;
  let onLast: () => void = () => {};
  const last = new Promise<void>((resolve) => (onLast = resolve));

  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request);
    const signature = secret ? await verify(body, request.headers, secret, { nowMs: clock.nowMs() }) : null;
    const behaviour = behave(habits, random.float());
    const id = String(request.headers['webhook-id'] ?? request.headers['svix-id'] ?? '-');
    const shown = behaviour.kind === 'answer' ? String(behaviour.status) : behaviour.kind;
    const verified = signature === null ? null : signature.ok ? 'verified' : signature.code;
    print.result(
      { id, bytes: body.length, answer: shown, signature: verified },
      () =>
        `  ${print.paint(shown === '200' ? 'green' : 'yellow', shown)}  ${plain(id)}  ${body.length} bytes${verified === null ? '' : `  signature ${verified}`}`,
    );
    response.on('close', () => {
      count += 1;
      if (count >= limit) onLast();
    });
    act(behaviour, response);
  };

  const server = createServer((request, response) => {
    take(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new ToolFailure(
          1,
          'no_port',
          `Port ${port} cannot be listened on (${error.code ?? error.message}).`,
          'Choose another one; 0 takes any free one.',
        ),
      ),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  print.result(
    { kind: 'listening', url, mode: habits.mode },
    `  receiver ${url} (${habits.mode}${secret ? ', verifies signatures' : ''}); Ctrl-C ends`,
  );
  await Promise.race([stop.asked, last]);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
  return 0;
};
