import { createServer, type Server } from 'node:http';
import { availableParallelism } from 'node:os';
import type { AddressInfo } from 'node:net';
import { connect, CONNECTION_OPTIONS, type Connection } from './connection.ts';
import type { ExitCode } from './output.ts';
import { createPoster, tally } from './poster.ts';
import { benchFacts, benchText, type Load } from './bench-report.ts';
import { number, ToolFailure, type Tool, type ToolInput } from './tool.ts';

export const benchTool: Tool = {
  usage: 'bench',
  summary:
    'A small load on a running server: what it accepts and delivers a second, and how long that takes.',
  options: [
    ...CONNECTION_OPTIONS,
    ['--for <seconds>', 'How long it is measured, after a second that is not. Default: 5.'],
    ['--connections <count>', 'Posts under way at once. Default: 16.'],
    ['--size <bytes>', 'Size of the payloads. Default: 512.'],
    ['--accept-only', 'No receiver and no deliveries.'],
  ],
  run: (input) => bench(input),
};

const WARM_UP_MS = 1_000;
const ARRIVAL_MS = 30_000;

type Receiver = { readonly url: string; readonly close: () => Promise<void> };

/** Counts what arrives, by the number in the payload. */
const receive = async (onArrival: (sequence: number) => void): Promise<Receiver> => {
  const server: Server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      onArrival(Number(/"number":(\d+)/.exec(body)?.[1]));
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

const subscribe = async (connection: Connection, app: string, url: string): Promise<void> => {
  await connection.call('POST', `/app/${app}/endpoint`, { url }).catch((error: unknown) => {
    if (!(error instanceof ToolFailure) || error.exitCode !== 1) throw error;
    throw new ToolFailure(
      1,
      error.code,
      error.message,
      'The server does not deliver to this machine (posthorn dev does). Measure with --accept-only.',
    );
  });
};

const bench = async (input: ToolInput): Promise<ExitCode> => {
  const { flags, random } = input;
  const acceptOnly = flags['acceptOnly'] === true;
  const connection = await connect(input);
  const uid = `bench-${random.uuid()}`;
  await connection.call('POST', '/app', { name: 'posthorn bench', uid });
  const arrivals = new Map<number, number>();
  let duplicates = 0;
  let last = 0;
  const receiver = acceptOnly
    ? null
    : await receive((sequence) => {
        last = input.clock.monotonicMs();
        if (arrivals.has(sequence)) duplicates += 1;
        else arrivals.set(sequence, last);
      });
  try {
    if (receiver !== null) await subscribe(connection, uid, receiver.url);
    const load = await run(input, connection, uid);
    if (receiver !== null) await arrived(input, () => arrivals.size >= load.accepted.size);
    const facts = benchFacts(
      load,
      receiver === null ? null : { arrivals, duplicates, lastMs: last },
      input.stop().signal.aborted,
    );
    input.print.endProgress();
    input.print.result({ ...facts, processors: availableParallelism() }, () =>
      benchText(facts, availableParallelism()),
    );
    return facts.isGood ? 0 : 1;
  } finally {
    await receiver?.close();
    await connection
      .call('DELETE', `/app/${uid}`)
      .catch(() =>
        input.print.note(`posthorn: the application ${uid} is left over; posthorn apps delete ${uid}`),
      );
  }
};

const arrived = async (input: ToolInput, isAll: () => boolean): Promise<void> => {
  const { clock, print } = input;
  const stop = input.stop();
  const endMs = clock.monotonicMs() + ARRIVAL_MS;
  while (!isAll() && clock.monotonicMs() < endMs && !stop.signal.aborted) {
    print.progress('waiting for the last deliveries');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

const run = async (input: ToolInput, connection: Connection, app: string): Promise<Load> => {
  const { flags, clock, print } = input;
  const connections = number(flags, 'connections', 16, [1, 1_000]);
  const measuredMs = number(flags, 'for', 5, [0.1, 3_600]) * 1000;
  const filler = 'x'.repeat(Math.max(0, number(flags, 'size', 512, [0, 1_000_000]) - 30));
  const poster = createPoster(connection, app, connections, clock.monotonicMs);
  const stop = input.stop();
  const accepted = new Map<number, { startMs: number; durationMs: number }>();
  const others: Record<string, number> = {};
  let sequence = 0;
  const fromMs = clock.monotonicMs() + WARM_UP_MS;
  const toMs = fromMs + measuredMs;
  const worker = async (): Promise<void> => {
    while (clock.monotonicMs() < toMs && !stop.signal.aborted) {
      const mine = sequence++;
      const startMs = clock.monotonicMs();
      const posted = await poster.post(
        `{"eventType":"bench.event","payload":{"number":${mine},"filler":"${filler}"}}`,
      );
      if (posted.kind === 'answered' && posted.status === 202)
        accepted.set(mine, { startMs, durationMs: posted.durationMs });
      else {
        tally(others, posted.kind === 'answered' ? String(posted.status) : posted.why);
        // A server that refuses at once is not to be asked a thousand times more.
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      print.progress(`${accepted.size} accepted`);
    }
  };
  const all = Promise.all(Array.from({ length: connections }, worker));
  await Promise.race([all, new Promise((resolve) => setTimeout(resolve, WARM_UP_MS))]);
  const before = process.cpuUsage();
  await all;
  const used = process.cpuUsage(before);
  poster.close();
  // Interrupted while it warmed up, it measured nothing.
  const endMs = Math.max(fromMs, Math.min(toMs, clock.monotonicMs()));
  const busy = endMs === fromMs ? 0 : (used.user + used.system) / 1000 / (endMs - fromMs);
  return { accepted, others, fromMs, toMs: endMs, busy };
};
