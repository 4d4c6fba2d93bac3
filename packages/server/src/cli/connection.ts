import { readFile } from 'node:fs/promises';
import { devSecretsPath, readDevSecrets, readDevUrl } from './dev-secrets.ts';
import { serverAddress } from './health.ts';
import type { Flags } from './program.ts';
import { text, ToolFailure, type ToolInput } from './tool.ts';

export type Json = Readonly<Record<string, unknown>>;
export type Page = {
  readonly data: readonly Json[];
  readonly iterator: string | null;
  readonly done: boolean;
};

/** A value of an answer as text: what is no text as JSON, what is not there as nothing. */
export const str = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value ?? undefined) ?? '');

/** A running server as a command sees it. */
export type Connection = {
  readonly url: string;
  readonly token: string;
  /** One call below `/api/v1`; the JSON body, `{}` where there is none. @throws ToolFailure */
  readonly call: (method: string, path: string, body?: unknown, headers?: Json) => Promise<Json>;
  /** The same; null where there is no such thing (404). */
  readonly find: (path: string) => Promise<Json | null>;
  /** Items of a list, page after page, at most `most`. */
  readonly list: (path: string, most: number) => Promise<readonly Json[]>;
};

export const CONNECTION_OPTIONS = [
  ['--url <url>', 'The server. Default: POSTHORN_URL, then the posthorn dev of this machine.'],
  ['--data-dir <path>', 'Where that posthorn dev keeps its data. [POSTHORN_DATA_DIR]'],
] as const;

export const APP_OPTION = [
  '--app <app>',
  'Application id or uid. Default: POSTHORN_APP, the token’s own, or the only one there is.',
] as const;

const TIMEOUT_MS = 30_000;
const PAGE = 250;
const DEFAULT_URL = 'http://127.0.0.1:8071';

export const isLoopback = (url: string): boolean =>
  URL.canParse(url) && /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(url).hostname);

const tokenFrom = async (input: ToolInput, url: string): Promise<string> => {
  const { env } = input;
  const file = env['POSTHORN_TOKEN_FILE'];
  if (env['POSTHORN_TOKEN']) return env['POSTHORN_TOKEN'];
  if (file) {
    return (
      await readFile(file, 'utf8').catch((error: Error) => {
        throw new ToolFailure(2, 'no_token', `POSTHORN_TOKEN_FILE cannot be read: ${error.message}`);
      })
    ).trim();
  }
  const dataDir = input.dataDir(input.flags);
  // The token of this machine's development server is nobody else's business.
  const secrets = isLoopback(url) ? await readDevSecrets(dataDir) : null;
  if (secrets !== null) return secrets.token;
  const looked = isLoopback(url) ? ` and there is no posthorn dev's ${devSecretsPath(dataDir)}` : '';
  throw new ToolFailure(
    2,
    'no_token',
    `POSTHORN_TOKEN is not set${looked}.`,
    'On the server, `posthorn token create` prints a token; set it as POSTHORN_TOKEN.',
  );
};

/** What an error body says, in one line. */
const detailOf = (body: string): { code: string; detail: string } => {
  try {
    const { code, detail } = JSON.parse(body) as { code?: string; detail?: unknown };
    if (!Array.isArray(detail)) return { code: code ?? 'refused', detail: str(detail ?? body) };
    const items = detail as { loc?: readonly string[]; msg?: string }[];
    const said = items.map(({ loc = [], msg = '' }) => `${loc.slice(1).join('.') || 'it'}: ${msg}`);
    return { code: code ?? 'invalid', detail: said.join('; ') };
  } catch {
    return { code: 'refused', detail: body.slice(0, 500) };
  }
};

const nextFor = (status: number): string | null => {
  switch (status) {
    case 401:
      return 'Is POSTHORN_TOKEN of this server? `posthorn token create` prints one.';
    case 403:
      return 'This needs a token of the organisation, not of one application.';
    case 429:
    case 503:
      return 'Try again in a moment.';
    default:
      return null;
  }
};

/** Why no answer came, for people; the name of the error where nothing better is known. */
export const causeOf = (error: unknown): string => {
  const { name, message, cause } = error as Error & { cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? (name === 'TimeoutError' ? 'timeout' : message);
};

export const unreachable = (url: string, why: string): ToolFailure =>
  new ToolFailure(
    3,
    'unreachable',
    `no answer from ${url} (${why}).`,
    'Is it running? Start one with `posthorn dev`, or name another with --url or POSTHORN_URL; `posthorn doctor` looks further.',
  );

/** Where the server is, without asking it. */
export const serverUrl = async (input: ToolInput): Promise<string> => (await findServer(input)).url;

/** The same, and how it was found, for people. */
export const findServer = async (
  input: ToolInput,
): Promise<{ readonly url: string; readonly by: string }> => {
  const { flags, env } = input;
  const dataDir = input.dataDir(flags);
  const named = text(flags, 'url') || env['POSTHORN_URL'];
  const ofDev = named ? null : await readDevUrl(dataDir);
  const found = named || ofDev || DEFAULT_URL;
  const by = named
    ? `by ${text(flags, 'url') ? '--url' : 'POSTHORN_URL'}`
    : ofDev
      ? `the posthorn dev of ${dataDir}`
      : 'the usual address';
  if (!URL.canParse(found) || !/^https?:/.test(found))
    throw new ToolFailure(
      2,
      'usage',
      `"${found}" is no URL of a server; write it like https://posthorn.example.com`,
    );
  return { url: serverAddress(found), by };
};

/** @param given A token to use instead of the one at hand. */
export const connect = async (input: ToolInput, given: string | null = null): Promise<Connection> => {
  const url = await serverUrl(input);
  const token = given ?? (await tokenFrom(input, url));
  const request = async (method: string, path: string, body?: unknown, headers: Json = {}) => {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        ...(headers as Record<string, string>),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((error: unknown) => {
      throw unreachable(url, causeOf(error));
    });
    return { status: response.status, text: await response.text() };
  };
  const parse = (answer: { status: number; text: string }, what: string): Json => {
    if (answer.status < 400) {
      try {
        return answer.text === '' ? {} : (JSON.parse(answer.text) as Json);
      } catch {
        throw new ToolFailure(1, 'no_json', `${url} does not answer like a Posthorn server.`, 'Check --url.');
      }
    }
    const { code, detail } = detailOf(answer.text);
    throw new ToolFailure(
      1,
      code,
      `${what} was refused with ${answer.status}: ${detail}`,
      nextFor(answer.status),
      answer.status,
    );
  };
  const call: Connection['call'] = async (method, path, body, headers) =>
    parse(await request(method, path, body, headers), `${method} ${path}`);
  return {
    url,
    token,
    call,
    find: async (path) => {
      const answer = await request('GET', path);
      return answer.status === 404 ? null : parse(answer, `GET ${path}`);
    },
    list: async (path, most) => {
      const items: Json[] = [];
      let iterator: string | null = null;
      do {
        const query = new URLSearchParams({ limit: String(Math.min(PAGE, most - items.length)) });
        if (iterator !== null) query.set('iterator', iterator);
        const page = (await call(
          'GET',
          `${path}${path.includes('?') ? '&' : '?'}${query.toString()}`,
        )) as unknown as Page;
        items.push(...page.data);
        iterator = page.done ? null : page.iterator;
      } while (iterator !== null && items.length < most);
      return items;
    },
  };
};

/** Whose a token is, by what it says. */
export const subjectOf = (token: string): string | null => {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      sub?: string;
    };
    return claims.sub ?? null;
  } catch {
    return null;
  }
};

/** The application that a token is for; null: it is an organisation's. */
const applicationOf = (token: string): string | null => {
  const subject = subjectOf(token);
  return subject?.startsWith('app_') === true ? subject : null;
};

/** The application that a command is about. */
export const application = async (
  connection: Connection,
  flags: Flags,
  env: ToolInput['env'],
): Promise<string> => {
  const named = text(flags, 'app') ?? env['POSTHORN_APP'];
  if (named) return encodeURIComponent(named);
  const own = applicationOf(connection.token);
  if (own !== null) return own;
  const apps = await connection.list('/app', 10);
  const [first] = apps;
  if (first === undefined)
    throw new ToolFailure(
      1,
      'no_application',
      'There is no application yet.',
      'Make one: posthorn apps create --name "A customer" --uid customer-1',
    );
  if (apps.length === 1) return str(first['uid'] ?? first['id']);
  const names = apps.map((app) => str(app['uid'] ?? app['id'])).join(', ');
  throw new ToolFailure(
    2,
    'which_application',
    `There are several applications (${names}).`,
    'Name one with --app.',
  );
};
