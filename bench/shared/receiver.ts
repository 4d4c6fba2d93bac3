/**
 * The webhook receiver, as cheap as Node allows: raw `net`, one constant
 * answer per request. It knows each message by the sequence number in its
 * payload, so that loss and duplicates are found by identity, not by count.
 */
import { createServer } from 'node:net';
import { Framer } from './framing.ts';
import { monotonicMs } from './monotonic.ts';
import { readSequence, sequencePrefix } from './requests.ts';
import { signatureProblem } from './signature-check.ts';
import { serve } from './worker.ts';

/** A new window of sequence numbers; everything else that arrives is a stray. */
export interface Window {
  readonly firstSequence: number;
  readonly capacity: number;
  /** Keep the arrival time of each message. */
  readonly times: boolean;
  /** Check the signature of every n-th request with this `whsec_…` secret. */
  readonly signatures: { readonly every: number; readonly secret: string } | undefined;
}

export interface Progress {
  /** Different messages of the window that have arrived. */
  readonly unique: number;
  readonly lastAtMs: number;
}

export interface Arrivals {
  readonly requests: number;
  readonly strays: number;
  readonly lastAtMs: number;
  /** Arrivals per message of the window. */
  readonly counts: Uint8Array;
  /** Monotonic arrival times where `times` was set. */
  readonly atMs: Float64Array | undefined;
  readonly signaturesChecked: number;
  readonly signatureProblems: readonly string[];
}

export type ReceiverOperations = {
  open: (window: Window) => void;
  /** Answers once `count` different messages have arrived, or `timeoutMs` later. */
  reached: (goal: { count: number; timeoutMs: number }) => Promise<Progress>;
  report: (argument: undefined) => Arrivals;
};

const answer = Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok');

let window: Window = { firstSequence: 0, capacity: 0, times: false, signatures: undefined };
let counts = new Uint8Array(0);
let atMs: Float64Array | undefined;
let requests = 0;
let unique = 0;
let strays = 0;
let lastAtMs = 0;
let signaturesChecked = 0;
let signatureProblems: string[] = [];
let goal: { count: number; reached: () => void } | undefined;

function arrive(buffer: Buffer, start: number, bodyStart: number, end: number): void {
  requests++;
  lastAtMs = monotonicMs();
  let sequence = readSequence(buffer, bodyStart + sequencePrefix.length);
  if (sequence < 0) {
    const at = buffer.indexOf(sequencePrefix, bodyStart);
    sequence = at < 0 || at > end ? -1 : readSequence(buffer, at + sequencePrefix.length);
  }
  const index = sequence - window.firstSequence;
  if (index < 0 || index >= window.capacity) {
    strays++;
    return;
  }
  const before = counts[index] ?? 0;
  counts[index] = Math.min(255, before + 1);
  if (before > 0) return;
  unique++;
  if (atMs !== undefined) atMs[index] = lastAtMs;
  const sample = window.signatures;
  if (sample !== undefined && unique % sample.every === 1) {
    signaturesChecked++;
    const problem = signatureProblem(
      buffer.toString('latin1', start, bodyStart),
      buffer.subarray(bodyStart, end),
      sample.secret,
    );
    if (problem !== undefined) signatureProblems.push(problem);
  }
  if (goal !== undefined && unique >= goal.count) goal.reached();
}

/** Takes everything and answers nothing. */
const { hangs = false } = JSON.parse(process.argv[2] ?? '{}') as { hangs?: boolean };

const server = createServer({ noDelay: true }, (socket) => {
  const framer = new Framer((buffer, start, bodyStart, end) => {
    arrive(buffer, start, bodyStart, end);
    if (!hangs) socket.write(answer);
  });
  socket.on('data', (chunk) => framer.push(chunk, chunk.length));
  socket.on('error', () => socket.destroy());
});

const operations: ReceiverOperations = {
  open(next) {
    window = next;
    counts = new Uint8Array(next.capacity);
    atMs = next.times ? new Float64Array(next.capacity) : undefined;
    requests = unique = strays = signaturesChecked = 0;
    lastAtMs = 0;
    signatureProblems = [];
  },
  reached({ count, timeoutMs }) {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        goal = undefined;
        resolve({ unique, lastAtMs });
      };
      const timer = setTimeout(finish, timeoutMs);
      goal = { count, reached: finish };
      if (unique >= count) finish();
    });
  },
  report: () => ({ requests, strays, lastAtMs, counts, atMs, signaturesChecked, signatureProblems }),
};

server.listen(0, '127.0.0.1', 4096, () => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('receiver has no port');
  serve(address.port, operations);
});
