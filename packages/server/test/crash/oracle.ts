import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { Webhook } from 'standardwebhooks';
import { createChanges, nowMs } from './changes.ts';
import type { WireRequest } from './history.ts';

/** What a receiver does with the n-th request (from 0) of a message. */
export type Answer = { readonly status: number; readonly afterMs: number };
export type Behaviour = (messageId: string, nth: number) => Answer;

export const steady: Behaviour = () => ({ status: 204, afterMs: 0 });

/** A number from 0 to 99 that belongs to the text, so that a run's receivers do the same again. */
const percentOf = (text: string): number => createHash('sha1').update(text).digest().readUInt32BE(0) % 100;

/** Every fifth message fails once or twice, every tenth answer comes late. */
export const moody =
  (seed: string): Behaviour =>
  (messageId, nth) => {
    const mood = percentOf(`${seed} ${messageId}`);
    const failures = mood < 7 ? 2 : mood < 20 ? 1 : 0;
    const isSlow = percentOf(`${seed} ${messageId} ${nth}`) < 10;
    return { status: nth < failures ? 500 : 200, afterMs: isSlow ? 20 + 2 * mood : 0 };
  };

/** Receivers outside of the system, and the memory of all that they saw. */
export type Oracle = {
  /** Where all receivers listen. */
  readonly url: string;
  /** Another receiver; make the endpoint with its URL, then tell which it is and how it signs. */
  readonly receiver: (behaviour: Behaviour) => {
    readonly url: string;
    readonly know: (endpointId: string, secret: string) => void;
  };
  readonly requests: () => readonly WireRequest[];
  /** Requests that no answer has gone out for. */
  readonly inFlight: () => number;
  /** From now on requests are recorded and not answered, until {@link Oracle.release}. */
  readonly hold: () => void;
  /** Answers what was held, as the receivers would or all with one status. */
  readonly release: (status?: number) => void;
  readonly until: (what: string, isTrue: () => boolean, timeoutMs?: number) => Promise<void>;
  readonly close: () => Promise<void>;
};

type Known = { readonly endpointId: string; readonly webhook: Webhook };
type Entry = { -readonly [Key in keyof WireRequest]: WireRequest[Key] };

const PATIENCE_MS = 20_000;

const verifies = (webhook: Webhook, body: Buffer, request: IncomingMessage): boolean => {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (typeof value === 'string') headers[name] = value;
  }
  try {
    webhook.verify(body.toString(), headers);
    return true;
  } catch (error) {
    // The library parses what it has verified; that a payload is no JSON is not the signature's fault.
    return error instanceof SyntaxError;
  }
};

export const createOracle = async (): Promise<Oracle> => {
  const receivers: { readonly behaviour: Behaviour; known: Known | null }[] = [];
  const entries: Entry[] = [];
  const counts = new Map<string, number>();
  let held: ((status?: number) => void)[] | null = null;
  let open = 0;
  const changes = createChanges(() => `${entries.length} requests came, ${open} are in flight`);

  const answer = (response: ServerResponse, { status, afterMs }: Answer): void => {
    const write = (instead = status): void => {
      response.writeHead(instead).end();
    };
    if (held !== null) held.push(write);
    else if (afterMs > 0) setTimeout(() => write(), afterMs);
    else write();
  };

  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const arrivedMs = nowMs();
    const receiver = receivers[Number(request.url?.slice(1))];
    const known = receiver?.known;
    if (receiver === undefined || known === null || known === undefined) {
      throw new Error(`A request to ${request.url ?? ''}, where nothing is expected`);
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const messageId = String(request.headers['webhook-id']);
    const sender = Number(/-(\d+)$/.exec(request.headers['user-agent'] ?? '')?.[1]);
    const entry: Entry = {
      endpointId: known.endpointId,
      messageId,
      sender,
      bodySha256: createHash('sha256').update(body).digest('hex'),
      isSigned: verifies(known.webhook, body, request),
      arrivedMs,
      endedMs: null,
      answered: null,
    };
    entries.push(entry);
    open++;
    const count = `${messageId} ${known.endpointId}`;
    const nth = counts.get(count) ?? 0;
    counts.set(count, nth + 1);
    const ended = (): void => {
      if (entry.endedMs !== null) return;
      entry.endedMs = nowMs();
      open--;
      changes.tell();
    };
    response.once('finish', () => {
      entry.answered = response.statusCode;
      ended();
    });
    response.once('close', ended);
    changes.tell();
    answer(response, receiver.behaviour(messageId, nth));
  };

  let broken: Error | null = null;
  const server = createServer((request, response) => {
    receive(request, response).catch((error: unknown) => {
      // A sender that was killed in the middle of its body has sent no request.
      const isCut = error instanceof Error && 'code' in error && error.code === 'ECONNRESET';
      if (!isCut) broken = error instanceof Error ? error : new Error(String(error));
      response.destroy();
    });
  });
  // Idle sockets must outlive the sender's: a race there would look like the sender's fault.
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('The receivers have no address');

  return {
    url: `http://127.0.0.1:${address.port}/`,
    receiver: (behaviour) => {
      const receiver = { behaviour, known: null as Known | null };
      const index = receivers.push(receiver) - 1;
      return {
        url: `http://127.0.0.1:${address.port}/${index}`,
        know: (endpointId, secret) => {
          receiver.known = { endpointId, webhook: new Webhook(secret) };
        },
      };
    },
    requests: () => entries,
    inFlight: () => open,
    hold: () => {
      held ??= [];
    },
    release: (status) => {
      const waiting = held ?? [];
      held = null;
      for (const write of waiting) write(status);
    },
    until: (what, isTrue, timeoutMs = PATIENCE_MS) => changes.until(what, isTrue, timeoutMs),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      if (broken !== null) throw broken;
    },
  };
};
