import { Agent, request } from 'node:http';
import { signCall } from './call.ts';

/** Tells one other node what there is for it, one call at a time; what gathers meanwhile goes with the next. */
export type Caller = {
  readonly tell: (line: string) => void;
  readonly close: () => void;
};

export type CallerDeps = {
  readonly to: string;
  /** `host:port`. */
  readonly address: string;
  readonly key: Uint8Array;
  readonly setTimeout: (run: () => void, delayMs: number) => unknown;
  /** Once when it begins to fail and once when it is over (null). */
  readonly onTrouble: (problem: string | null) => void;
};

const TIMEOUT_MS = 1_000;
const REST_MS = 1_000;
/** Beyond them the other node finds the work by looking for it, as it does when nobody calls. */
const MAX_WAITING = 10_000;
const MAX_WAITING_CHARACTERS = 250_000;

/** A caller that never holds up who tells it something: what cannot be said is dropped. */
export const createCaller = (deps: CallerDeps): Caller => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const [host, port] = splitAddress(deps.address);
  let waiting = new Set<string>();
  let characters = 0;
  let isCalling = false;
  let isResting = false;
  let isClosed = false;
  let hasTrouble = false;

  const call = (ids: ReadonlySet<string>): Promise<string | null> =>
    new Promise((resolve) => {
      const { body, mac } = signCall(deps.key, deps.to, ids);
      const outgoing = request(
        {
          agent,
          host,
          port,
          method: 'POST',
          path: '/',
          timeout: TIMEOUT_MS,
          headers: { 'content-length': Buffer.byteLength(body), authorization: `Posthorn ${mac}` },
        },
        (response) => {
          response.resume();
          response.on('error', () => {});
          response.on('close', () =>
            resolve(response.statusCode === 204 ? null : `answered ${String(response.statusCode)}`),
          );
        },
      );
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
      outgoing.on('error', (error) => resolve(error.message));
      outgoing.end(body);
    });

  const judge = (problem: string | null): void => {
    if ((problem !== null) !== hasTrouble) deps.onTrouble(problem);
    hasTrouble = problem !== null;
    if (problem === null) return;
    waiting.clear();
    characters = 0;
    isResting = true;
    deps.setTimeout(() => {
      isResting = false;
    }, REST_MS);
  };

  const pump = async (): Promise<void> => {
    isCalling = true;
    // What the same turn of the event loop has to say goes along.
    await new Promise(setImmediate);
    while (waiting.size > 0 && !isClosed && !isResting) {
      const ids = waiting;
      waiting = new Set();
      characters = 0;
      judge(await call(ids));
    }
    isCalling = false;
  };

  return {
    tell: (line) => {
      const isFull = waiting.size >= MAX_WAITING || characters >= MAX_WAITING_CHARACTERS;
      if (isClosed || isResting || isFull) return;
      if (!waiting.has(line)) characters += line.length;
      waiting.add(line);
      if (!isCalling) void pump();
    },
    close: () => {
      isClosed = true;
      agent.destroy();
    },
  };
};

/** IPv6 hosts are in brackets. */
export const splitAddress = (address: string): [host: string, port: number] => {
  const at = address.lastIndexOf(':');
  return [address.slice(0, at).replace(/^\[(.*)\]$/, '$1'), Number(address.slice(at + 1))];
};
