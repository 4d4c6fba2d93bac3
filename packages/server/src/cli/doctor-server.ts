import type { ServerAbout } from '../api/port.ts';
import { causeOf, connect, type Json } from './connection.ts';
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

/** Asks the server with the token at hand, and judges what it tells. */
export const checkServer = async (input: ToolInput, tools: DoctorTools): Promise<Told> => {
  const beforeMs = input.clock.nowMs();
  try {
    const connection = await connect(input);
    const answer = await connection.find('/admin/server');
    const middleMs = (beforeMs + input.clock.nowMs()) / 2;
    const token = ok('token', `${connection.url} takes it`);
    if (answer === null)
      return { findings: [token, untold('it is older, or another program')], publicUrl: null };
    const about = readAbout(answer);
    const { database, endpoints, version, node } = about;
    return {
      publicUrl: about.publicUrl,
      findings: [
        token,
        version === input.version
          ? ok('runtime', `Posthorn ${version}, node ${node.name} (${node.role})`)
          : warning(
              'runtime',
              `the server is Posthorn ${version}, this command ${input.version}`,
              'Use the same version of both.',
            ),
        ...judgeDatabase(database, database.pool, database.nowMs - middleMs, 'in use'),
        ...checkGuard(endpoints, tools, text(input.flags, 'endpointUrl')),
      ],
    };
  } catch (error) {
    if (!(error instanceof ToolFailure)) throw error;
    return { findings: judgeRefusal(error), publicUrl: null };
  }
};

const untold = (why: string): Found =>
  skipped('configuration', `the server does not tell what it runs with: ${why}`);

const judgeRefusal = (error: ToolFailure): readonly Found[] => {
  if (error.exitCode === 3) return [skipped('token', 'the server cannot be asked')];
  // A consumer's token is a token.
  if (error.status === 403)
    return [ok('token', 'the server takes it, for one application'), untold('not for this token')];
  if (error.message.includes('no_api_here')) return [untold('this node serves no API')];
  return [failed('token', error.message, error.next ?? 'Make one with posthorn token create.')];
};

const readAbout = (answer: Json): ServerAbout => {
  const about = answer as unknown as ServerAbout & {
    readonly database: { readonly now: string };
  };
  return { ...about, database: { ...about.database, nowMs: Date.parse(about.database.now) } };
};
