import type { ServerAbout } from '../api/port.ts';
import { causeOf, connect, isLoopback, serverUrl, subjectOf, type Json } from './connection.ts';
import {
  checkGuard,
  failed,
  judgeClock,
  judgeDatabase,
  ok,
  skipped,
  warning,
  type DoctorTools,
  type Found,
} from './doctor-checks.ts';
import { OPERATOR, operatorTokenFor } from './sign-token.ts';
import { text, ToolFailure, type ToolInput } from './tool.ts';

const TIMEOUT_MS = 5_000;

/** Whether a server can be reached and is ready, and how its clock stands. */
export const checkReach = async (url: string, nowMs: () => number): Promise<readonly Found[]> => {
  try {
    const beforeMs = nowMs();
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const middleMs = (beforeMs + nowMs()) / 2;
    const body = await response.text();
    const date = Date.parse(response.headers.get('date') ?? '');
    // The header has whole seconds, cut.
    const clock = Number.isNaN(date) ? [] : [judgeClock(`the server ${url}`, date + 500 - middleMs)];
    if (response.ok && body.includes('"ready"')) return [ok('reachability', `${url} is ready`), ...clock];
    if (response.status === 503 && body.includes('not ready'))
      return [
        failed(
          'reachability',
          `${url} answers, but is not ready`,
          'Its database or its heartbeat does not answer: see its log.',
        ),
        ...clock,
      ];
    return [
      failed(
        'reachability',
        `${url} answers ${response.status}, not like a Posthorn server`,
        'Check the address, and what the proxy in front forwards.',
      ),
    ];
  } catch (error) {
    return [
      failed(
        'reachability',
        `no answer from ${url} (${causeOf(error)})`,
        'Start it (posthorn dev, posthorn start), or name another with --url or POSTHORN_URL. From outside: firewall, POSTHORN_LISTEN=0.0.0.0:8071, proxy.',
      ),
    ];
  }
};

/** What a running server says of itself: it may run with other settings than this shell has. */
export type Told = {
  readonly findings: readonly Found[];
  readonly publicUrl: string | null;
};

/** Whether the server takes the token at hand; null: there is none. */
const checkToken = async (
  input: ToolInput,
): Promise<{ readonly found: Found; readonly token: string | null }> => {
  try {
    const { url, token, find } = await connect(input);
    if (subjectOf(token) === OPERATOR) return { found: ok('token', 'it is an operator’s'), token };
    await find('/auth/whoami');
    return { found: ok('token', `${url} takes it`), token };
  } catch (error) {
    if (!(error instanceof ToolFailure)) throw error;
    return { found: judgeRefusal(error), token: null };
  }
};

/** Asks the server as its operator, and judges what it tells. */
export const checkServer = async (input: ToolInput, tools: DoctorTools): Promise<Told> => {
  const { found, token } = await checkToken(input);
  const nothing = (why: string, first: Found = found): Told => ({
    findings: [first, skipped('configuration', `the server does not tell what it runs with: ${why}`)],
    publicUrl: null,
  });
  const own = token !== null && subjectOf(token) === OPERATOR;
  const operator = own ? token : await signOperators(input);
  if (operator === null) return nothing(UNTOLD);
  try {
    const beforeMs = input.clock.nowMs();
    const connection = await connect(input, operator);
    const answer = await connection.find('/admin/server');
    const middleMs = (beforeMs + input.clock.nowMs()) / 2;
    if (answer === null) return nothing('it is older, or another program');
    // Whoever has the secret needs no token.
    const isGood = own || token === null;
    const judged = isGood ? ok('token', `${connection.url} takes its operator’s`) : found;
    const about = readAbout(answer);
    return { publicUrl: about.publicUrl, findings: [judged, ...judgeAbout(about, middleMs, input, tools)] };
  } catch (error) {
    if (!(error instanceof ToolFailure)) throw error;
    if (error.message.includes('no_api_here')) return nothing('this node serves no API');
    if (error.exitCode === 3) return nothing('it cannot be asked');
    return nothing(UNTOLD, own ? judgeRefusal(error) : found);
  }
};

const signOperators = async (input: ToolInput): Promise<string | null> =>
  operatorTokenFor({
    flags: input.flags,
    env: input.env,
    isOfThisMachine: isLoopback(await serverUrl(input)),
    dataDir: input.dataDir(input.flags),
    nowMs: input.clock.nowMs(),
  });

const UNTOLD =
  'only its operator is told. Set POSTHORN_JWT_SECRET to its secret, or POSTHORN_TOKEN to a token of `posthorn token create --operator`';

const judgeAbout = (
  { database, endpoints, version, node }: ServerAbout,
  middleMs: number,
  input: ToolInput,
  tools: DoctorTools,
): readonly Found[] => [
  version === input.version
    ? ok('runtime', `Posthorn ${version}, node ${node.name} (${node.role})`)
    : warning(
        'runtime',
        `the server is Posthorn ${version}, this command ${input.version}`,
        'Use the same version of both.',
      ),
  ...judgeDatabase(database, database.pool, database.nowMs - middleMs, 'in use'),
  ...checkGuard(endpoints, tools, text(input.flags, 'endpointUrl')),
];

const judgeRefusal = (error: ToolFailure): Found =>
  error.exitCode === 3
    ? skipped('token', 'the server cannot be asked')
    : failed('token', error.message, error.next ?? 'Make one with posthorn token create.');

const readAbout = (answer: Json): ServerAbout => {
  const about = answer as unknown as ServerAbout & {
    readonly database: { readonly now: string };
  };
  return { ...about, database: { ...about.database, nowMs: Date.parse(about.database.now) } };
};
