/**
 * The receivers of the soak: `/steady` has all of the load and fails some messages once, `/troubled` is away
 * for three minutes of every ten, is slow otherwise, and never takes some messages. Knows each message of the
 * load by its number.
 */
import { createServer, type Socket } from 'node:net';
import { Framer } from '../shared/framing.ts';
import { monotonicMs } from '../shared/monotonic.ts';
import { readSequence, sequencePrefix } from '../shared/requests.ts';
import { serve } from '../shared/worker.ts';

export interface SoakReceiverPlan {
  /** Most messages that the load may have. */
  readonly capacity: number;
  readonly seed: number;
}

export interface SoakCounts {
  /** Requests of the load, with retries. */
  readonly requests: number;
  /** Messages of the load that were answered with 2xx. */
  readonly delivered: number;
  /** Requests for a message that had its 2xx. */
  readonly duplicates: number;
  readonly failed: number;
  readonly troubled: { readonly requests: number; readonly delivered: number };
}

export type SoakReceiverOperations = {
  /** From now on the first arrival of these numbers is timed. */
  open: (window: { first: number; count: number }) => void;
  /** When each of the window arrived first, monotonic; 0: not yet. */
  arrivals: (argument: undefined) => Float64Array;
  counts: (argument: undefined) => SoakCounts;
  /** How often each message of the load was answered with 2xx, from number 0 on. */
  deliveries: (argument: undefined) => Uint8Array;
};

const plan = JSON.parse(process.argv[2] ?? '{}') as SoakReceiverPlan;
const good = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
const bad = Buffer.from('HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\nno');
const FAILS_ONCE = 1 / 1000;
const NEVER_TAKEN = 1 / 50;
const AWAY = { everyMs: 600_000, fromMs: 420_000 };
const TROUBLED_MS = 100;
const PATH_AT = 'POST /'.length;

const delivered = new Uint8Array(plan.capacity);
const seen = new Uint8Array(plan.capacity);
let window = { first: 0, count: 0 };
let atMs = new Float64Array(0);
let requests = 0;
let unique = 0;
let duplicates = 0;
let failed = 0;
const troubled = { requests: 0, delivered: 0 };
const startedMs = performance.now();

/** The same for the same number and seed, in [0, 1). */
const shareOf = (number: number): number => {
  let hash = Math.imul(number ^ plan.seed, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
};

const steady = (sequence: number): Buffer => {
  requests++;
  const isFirst = seen[sequence] === 0;
  seen[sequence] = 1;
  const index = sequence - window.first;
  if (isFirst && index >= 0 && index < window.count) atMs[index] = monotonicMs();
  if (isFirst && shareOf(sequence) < FAILS_ONCE) {
    failed++;
    return bad;
  }
  if (delivered[sequence] === 0) unique++;
  else duplicates++;
  delivered[sequence] = Math.min(255, delivered[sequence]! + 1);
  return good;
};

const answerTroubled = (socket: Socket, sequence: number): void => {
  troubled.requests++;
  const isAway = (performance.now() - startedMs) % AWAY.everyMs > AWAY.fromMs;
  const answer = isAway || shareOf(sequence) < NEVER_TAKEN ? bad : good;
  if (answer === good) troubled.delivered++;
  setTimeout(() => void socket.write(answer), TROUBLED_MS);
};

const server = createServer({ noDelay: true }, (socket) => {
  const framer = new Framer((buffer, start, bodyStart, end) => {
    const at = buffer.indexOf(sequencePrefix, bodyStart);
    const sequence = at < 0 || at > end ? -1 : readSequence(buffer, at + sequencePrefix.length);
    const isTroubled = buffer[start + PATH_AT] === 't'.charCodeAt(0);
    if (isTroubled) answerTroubled(socket, sequence);
    else if (sequence < 0 || sequence >= plan.capacity) socket.write(bad);
    else socket.write(steady(sequence));
  });
  socket.on('data', (chunk) => framer.push(chunk, chunk.length));
  socket.on('error', () => socket.destroy());
});

const operations: SoakReceiverOperations = {
  open(next) {
    window = next;
    atMs = new Float64Array(next.count);
  },
  arrivals: () => atMs,
  counts: () => ({ requests, delivered: unique, duplicates, failed, troubled }),
  deliveries: () => delivered,
};

server.listen(0, '127.0.0.1', 4096, () => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the receiver has no port');
  serve(address.port, operations);
});
