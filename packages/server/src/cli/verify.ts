import { readFile } from 'node:fs/promises';
import { APP_OPTION, application, connect, CONNECTION_OPTIONS, str } from './connection.ts';
import { parseCaptured, parseHeaders, type Captured } from './captured.ts';
import { readBytes } from './payload-input.ts';
import { number, text, ToolFailure, usage, type Tool, type ToolInput } from './tool.ts';
import { explain } from './verify-explain.ts';

export const verifyTool: Tool = {
  usage: 'verify [file]',
  summary:
    'Verify a captured request (raw HTTP, in a file or on standard input) and say which check fails, and why.',
  options: [
    ...CONNECTION_OPTIONS,
    APP_OPTION,
    ['--secret-file <file>', 'The secret(s), one a line. Default: WEBHOOK_SECRET.'],
    ['--endpoint <endpoint>', 'Take the secret of this endpoint from the server.'],
    ['--headers <file>', 'The headers, name: value a line; what is verified is then the body alone.'],
    ['--at <now|sent>', 'Judge its age by the clock, or as of the moment it was signed.'],
    ['--tolerance <seconds>', 'How far its timestamp may be away. Default: 300.'],
  ],
  run: async (input) => {
    const { flags, print, clock } = input;
    const tolerance = number(flags, 'tolerance', 300, [1, 1e9]);
    const at = text(flags, 'at') ?? 'now';
    if (at !== 'now' && at !== 'sent') throw usage('--at takes now or sent');
    const captured = await capturedFrom(input);
    const secrets = await secretsFrom(input);
    const sent = Number(captured.headers['webhook-timestamp'] ?? captured.headers['svix-timestamp']) * 1000;
    const nowMs = at === 'sent' && Number.isFinite(sent) ? sent : clock.nowMs();
    const found = await explain(captured, secrets, nowMs, tolerance);
    const mark = {
      ok: print.paint('green', 'ok'),
      failed: print.paint('red', 'FAILED'),
      skipped: print.paint('dim', 'skipped'),
    };
    print.result(found, () =>
      [
        ...found.checks.map(({ check, state, why }) => `  ${check.padEnd(17)} ${mark[state]}  ${why}`),
        ...found.hints.map((hint) => `  ${hint}`),
        found.ok ? '  genuine' : `  not genuine: ${found.code ?? ''}`,
      ].join('\n'),
    );
    return found.ok ? 0 : 1;
  },
};

const file = async (path: string): Promise<string> =>
  readFile(path, 'utf8').catch((error: Error) => {
    throw new ToolFailure(2, 'no_file', `${path} cannot be read: ${error.message}`);
  });

const capturedFrom = async (input: ToolInput): Promise<Captured> => {
  const [given] = input.args;
  const bytes = await readBytes(given === undefined || given === '-' ? '-' : `@${given}`, input);
  const headerFile = text(input.flags, 'headers');
  if (headerFile === undefined) {
    const captured = parseCaptured(bytes);
    if (captured !== null) return captured;
    throw usage(
      'That is no captured request: headers, an empty line, then the body.',
      'Headers in a file of their own? Name it with --headers.',
    );
  }
  const lines = (await file(headerFile)).split(/\r?\n/).filter((line) => line.includes(':'));
  const headers = parseHeaders(lines);
  if (headers === null) throw usage(`${headerFile} holds no headers.`);
  return { headers, body: bytes };
};

const secretsFrom = async (input: ToolInput): Promise<readonly string[]> => {
  const { flags, env } = input;
  const endpoint = text(flags, 'endpoint');
  const path = text(flags, 'secretFile');
  if (endpoint !== undefined) {
    const connection = await connect(input);
    const app = await application(connection, flags, env);
    const { key } = await connection.call(
      'GET',
      `/app/${app}/endpoint/${encodeURIComponent(endpoint)}/secret`,
    );
    return [str(key)];
  }
  const given = path === undefined ? env['WEBHOOK_SECRET'] : (await file(path)).replace(/\r?\n$/, '');
  if (given) return path === undefined ? [given] : given.split(/\r?\n/);
  throw usage(
    'There is no secret to verify with.',
    'Set WEBHOOK_SECRET, or name --secret-file or --endpoint.',
  );
};
