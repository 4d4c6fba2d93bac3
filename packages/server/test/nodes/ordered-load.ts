import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { createChanges, nowMs } from '../crash/changes.ts';
import type { SeededRandom } from '../crash/seeded-random.ts';

/** One request as the receiver saw it. */
export type Seen = {
  /** The receiver's name and, where it is told apart by keys, the key. */
  readonly order: string;
  readonly producer: string;
  readonly n: number;
  readonly sender: number;
  readonly arrivedMs: number;
  endedMs: number | null;
};

export type Receiver = {
  readonly seen: readonly Seen[];
  readonly until: (what: string, isTrue: () => boolean, timeoutMs: number) => Promise<void>;
  readonly url: (name: string) => string;
  readonly close: () => Promise<void>;
};

type Payload = { readonly producer: string; readonly n: number; readonly key: string };

const ANSWER_MS = 25;
const FAILING = 0.08;

/**
 * A receiver for many endpoints, which keeps what it saw in its order: those whose name begins with
 * `fifo` have one order, those whose name begins with `keyed` one for each key. It fails now and then.
 */
export const startReceiver = async (random: SeededRandom): Promise<Receiver> => {
  const seen: Seen[] = [];
  const changes = createChanges(() => `${seen.length} requests came`);
  const receive = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const arrivedMs = nowMs();
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const { producer, n, key } = JSON.parse(Buffer.concat(chunks).toString()) as Payload;
    const name = incoming.url!.slice(1);
    const order = name.startsWith('keyed') ? `${name} ${key}` : name;
    const sender = Number(/-(\d+)$/.exec(incoming.headers['user-agent'] ?? '')?.[1]);
    const one: Seen = { order, producer, n, sender, arrivedMs, endedMs: null };
    seen.push(one);
    response.once('close', () => {
      one.endedMs ??= nowMs();
      changes.tell();
    });
    response.once('finish', () => {
      one.endedMs ??= nowMs();
      changes.tell();
    });
    await pause(random() * ANSWER_MS);
    response.writeHead(random() < FAILING ? 500 : 204).end();
  };
  const server = createServer((incoming, response) => {
    // A sender that is killed in the middle of a body has sent nothing.
    receive(incoming, response).catch(() => response.destroy());
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    seen,
    until: changes.until,
    url: (name) => `http://127.0.0.1:${port}/${name}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};

export type OrderedProducers = {
  /** How many messages of each producer were acknowledged. */
  readonly posted: ReadonlyMap<string, number>;
  /** Begins no further message; resolves when each that was begun is acknowledged. */
  readonly finish: () => Promise<void>;
  readonly close: () => Promise<void>;
};

const BETWEEN_TRIES_MS = 40;

/**
 * Producers that each post one message after the other, at whichever node answers, the next one only
 * when the one before was acknowledged. Each has an ordering key of its own.
 */
export const startProducers = (options: {
  readonly names: readonly string[];
  readonly applicationId: string;
  readonly token: string;
  /** Of nodes that may be there. */
  readonly urls: () => readonly string[];
  readonly random: SeededRandom;
  readonly pauseMs: number;
}): OrderedProducers => {
  const { random } = options;
  const agent = new Agent({ headersTimeout: 5_000, bodyTimeout: 5_000, connectTimeout: 2_000 });
  const posted = new Map<string, number>();
  let isStopping = false;
  let isAborted = false;

  const post = async (producer: string, n: number): Promise<boolean> => {
    const urls = options.urls();
    const url = urls[Math.floor(random() * urls.length)]!;
    try {
      const response = await request(`${url}/api/v1/app/${options.applicationId}/msg?with_content=false`, {
        method: 'POST',
        dispatcher: agent,
        headers: { authorization: `Bearer ${options.token}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          eventType: 'order.test',
          eventId: `${producer}-${n}`,
          orderingKey: producer,
          payload: { producer, n, key: producer },
        }),
      });
      await response.body.dump();
      return response.statusCode === 202 || response.statusCode === 409;
    } catch {
      return false;
    }
  };

  const produce = async (producer: string): Promise<void> => {
    for (let n = 0; !isStopping; n++) {
      while (!isAborted && !(await post(producer, n))) await pause(BETWEEN_TRIES_MS);
      posted.set(producer, n + 1);
      await random.pause(options.pauseMs);
    }
  };
  const work = options.names.map(produce);

  return {
    posted,
    finish: async () => {
      isStopping = true;
      await Promise.all(work);
    },
    close: async () => {
      isStopping = isAborted = true;
      await agent.destroy();
    },
  };
};

/**
 * What is wrong with what the receiver saw, in words: in each order a producer's messages come as they
 * were posted, none is left out, nothing comes again once another has come after it, and no two requests
 * are open at once.
 */
export const problemsOf = (seen: readonly Seen[], posted: ReadonlyMap<string, number>): readonly string[] => {
  const problems: string[] = [];
  for (const [order, requests] of Map.groupBy(seen, (one) => one.order)) {
    const tell = (what: string, { producer, n, sender, arrivedMs }: Seen): void =>
      void problems.push(`${order}: ${producer} ${n} from ${sender} at ${arrivedMs.toFixed(1)} ${what}`);
    const next = new Map<string, number>();
    let last: Seen | null = null;
    let open: Seen | null = null;
    for (const one of requests) {
      const isSame = last !== null && last.producer === one.producer && last.n === one.n;
      const expected = next.get(one.producer) ?? 0;
      if (!isSame && one.n < expected) tell('comes again after others', one);
      if (one.n > expected) tell(`comes before ${expected}`, one);
      if (one.n === expected) next.set(one.producer, expected + 1);
      if (open !== null && (open.endedMs === null || open.endedMs > one.arrivedMs))
        tell(`comes while ${open.producer} ${open.n} from ${open.sender} is open`, one);
      last = one;
      open = one;
    }
    for (const [producer, count] of posted) {
      if (order.includes(' ') && !order.endsWith(` ${producer}`)) continue;
      const got = next.get(producer) ?? 0;
      if (got !== count) problems.push(`${order}: ${count} of ${producer} were acknowledged, ${got} came`);
    }
  }
  return problems;
};
