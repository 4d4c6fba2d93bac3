// What a change of owner, and the way from one node to another, cost a message.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { percentile } from '../shared/statistics.ts';
import { type BenchNode, openPlace, type Place, untilEven } from '../shared/place.ts';

const ENDPOINTS = 64;
const LEAVES = 5;
const KILLS = 3;
const MESSAGES = 150;

/** Milliseconds. */
export interface Changes {
  /** From SIGTERM to one node of two until a message posted then had reached all of 64 endpoints. */
  readonly leaveMs: readonly number[];
  /** The same from kill -9, with the default lease of 10 s. */
  readonly killMs: readonly number[];
  /**
   * From the 202 to the arrival: accepted by the endpoint's owner; by a node that owns nothing, when the owner
   * finds it by looking, and when it is told.
   */
  readonly ownMs: Quantiles;
  readonly foundMs: Quantiles;
  readonly toldMs: Quantiles;
}

interface Quantiles {
  readonly p50: number;
  readonly p99: number;
}

type Waiting = { left: number; readonly done: (atMs: number) => void };

/** Receives webhooks and tells when a message has reached as many endpoints as expected. */
async function startTarget() {
  const waiting = new Map<string, Waiting>();
  const early = new Map<string, number>();
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(204).end();
    const id = String(request.headers['webhook-id']);
    const entry = waiting.get(id);
    if (entry === undefined) early.set(id, (early.get(id) ?? 0) + 1);
    else if (--entry.left === 0) entry.done(performance.now());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Resolves with the moment of the last arrival. */
    arrived: (id: string, count: number): Promise<number> =>
      new Promise((done) => {
        const left = count - (early.get(id) ?? 0);
        if (left <= 0) done(performance.now());
        else waiting.set(id, { left, done });
      }),
    close: (): void => {
      server.closeAllConnections();
      server.close();
    },
  };
}

type Target = Awaited<ReturnType<typeof startTarget>>;

async function makeApplication(
  place: Place,
  node: BenchNode,
  target: Target,
  endpoints: number,
): Promise<string> {
  const { id } = (await place.call(node, '/app', { name: 'Bench' })) as { id: string };
  for (let n = 0; n < endpoints; n++) {
    await place.call(node, `/app/${id}/endpoint`, { url: `${target.url}/${n}` });
  }
  return `/app/${id}/msg`;
}

const post = async (place: Place, node: BenchNode, path: string): Promise<string> =>
  ((await place.call(node, path, { eventType: 'bench.node', payload: {} })) as { id: string }).id;

async function latency(place: Place, node: BenchNode, path: string, target: Target): Promise<Quantiles> {
  const times: number[] = [];
  for (let n = 0; n < MESSAGES; n++) {
    const id = await post(place, node, path);
    const acceptedMs = performance.now();
    times.push(Math.max(0, (await target.arrived(id, 1)) - acceptedMs));
  }
  const sorted = Float64Array.from(times);
  return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
}

/** Two nodes that deliver, and one that only accepts and holds the database. */
export async function measureChanges(log: (line: string) => void): Promise<Changes> {
  const place = await openPlace();
  const target = await startTarget();
  try {
    const front = await place.start({ POSTHORN_ROLE: 'api' });
    let nodes = [await place.start(), await place.start()];
    const all = await makeApplication(place, front, target, ENDPOINTS);
    const one = await makeApplication(place, front, target, 1);
    const change = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<number> => {
      await untilEven(place, front, 2);
      const warm = await post(place, front, all);
      await target.arrived(warm, ENDPOINTS);
      const [first, second] = nodes as [BenchNode, BenchNode];
      const gone = once(first.child, 'exit');
      const beganMs = performance.now();
      first.child.kill(signal);
      const id = await post(place, front, all);
      const tookMs = (await target.arrived(id, ENDPOINTS)) - beganMs;
      await gone;
      nodes = [second, await place.start()];
      log(`${signal}: ${tookMs.toFixed()} ms`);
      return tookMs;
    };
    const leaveMs: number[] = [];
    for (let n = 0; n < LEAVES; n++) leaveMs.push(await change('SIGTERM'));
    const killMs: number[] = [];
    for (let n = 0; n < KILLS; n++) killMs.push(await change('SIGKILL'));
    await untilEven(place, front, 2);
    // One of the two owns the endpoint: there it is the shorter way.
    const both = [];
    for (const node of nodes) both.push(await latency(place, node, one, target));
    const ownMs = both.sort((a, b) => a.p50 - b.p50)[0]!;
    const foundMs = await latency(place, front, one, target);
    for (const { child } of nodes) child.kill('SIGTERM');
    for (let n = 0; n < 2; n++) await place.start({ POSTHORN_ADVERTISE: '127.0.0.1' });
    await untilEven(place, front, 2);
    // The acceptor looks once a second who can be told.
    await latency(place, front, one, target);
    return { leaveMs, killMs, ownMs, foundMs, toldMs: await latency(place, front, one, target) };
  } finally {
    target.close();
    await place.stop();
  }
}
