import type { Clock } from '../clock.ts';
import type { AttemptPhases, AttemptReport, AttemptResult, HeaderLines } from '../domain/attempt.ts';
import { classifyExchangeError } from './classify.ts';
import { timedOutIn } from './connect.ts';
import type { Connection, ConnectionUser } from './connection.ts';
import { keptHeaders } from './headers.ts';
import { redactBody, redactText } from './redact.ts';
import type { Bounded } from './in-flight.ts';
import type { ParseFailure, ResponseHead } from './response-parser.ts';

/** The request as it goes over the wire, and as it is shown afterwards. */
export type Outgoing = {
  /** Request line and headers with the empty line at their end. */
  readonly head: string;
  readonly shownHeaders: HeaderLines;
  /** Not to be kept with the answer either. */
  readonly secrets: readonly string[];
};

export type ExchangeBody = { readonly payload: Uint8Array; readonly isWanted?: () => boolean };

/** What happens around an exchange; one object serves all of them. */
export type ExchangeHost<Request extends ExchangeBody> = {
  readonly clock: Clock;
  /** Called once. `idleMs`: for how long the connection, if there was one, can wait for another exchange; 0: not at all. */
  readonly onEnd: (exchange: Exchange<Request>, connection: Connection | null, idleMs: number) => void;
};

const KEPT_OF_SUCCESS = 1_024;
const KEPT_OF_FAILURE = 16_384;
/** Read on to here, so that an ordinary socket can be used again; then the socket is given up. */
const MOST_BODY_BYTES = 65_536;
const NO_BYTES = new Uint8Array(0);

/**
 * One try, from the moment that somebody asks for it to its report: who the connection serves, and
 * what is kept of the response. The first end wins; whatever the peer does after it is ignored.
 */
export class Exchange<Request extends ExchangeBody> implements ConnectionUser, Bounded<Exchange<Request>> {
  readonly request: Request;
  /** Monotonic milliseconds. */
  readonly deadlineMs: number;
  older: Exchange<Request> | null = null;
  younger: Exchange<Request> | null = null;

  readonly #host: ExchangeHost<Request>;
  readonly #resolve: (report: AttemptReport) => void;
  readonly #startedAtMs: number;
  readonly #startedMonotonicMs: number;

  #ended = false;
  #outgoing: Outgoing | null = null;
  #connection: Connection | null = null;
  #isReused = false;
  #wasWritten = false;
  #firstByteAtMs: number | null = null;
  #head: ResponseHead | null = null;
  #keepBytes = 0;
  #received = 0;
  #body: Uint8Array = NO_BYTES;
  #bodyLength = 0;

  constructor(
    host: ExchangeHost<Request>,
    request: Request,
    timeoutMs: number,
    resolve: (report: AttemptReport) => void,
  ) {
    this.request = request;
    this.#host = host;
    this.#resolve = resolve;
    this.#startedAtMs = host.clock.nowMs();
    this.#startedMonotonicMs = host.clock.monotonicMs();
    this.deadlineMs = this.#startedMonotonicMs + timeoutMs;
  }

  /** Sends the request over a connection that serves nobody else meanwhile. */
  start(connection: Connection, outgoing: Outgoing): void {
    this.#outgoing = outgoing;
    this.#connection = connection;
    this.#isReused = connection.isUsed;
    connection.send(this, outgoing.head, this.request.payload);
  }

  /** Ends the exchange without a response from the peer. */
  fail(result: AttemptResult): void {
    this.#end(result, 0);
  }

  /** The caller wants it no more. Whether the receiver acted on it is unknown once it was written. */
  abort(): void {
    if (this.#head !== null) this.#end(response(this.#head, 'body_aborted'), 0);
    else this.fail(this.#wasWritten ? { kind: 'unknown' } : { kind: 'network', code: 'aborted' });
  }

  timeOut(): void {
    if (this.#head !== null) return this.#end(response(this.#head, 'body_timeout'), 0);
    if (this.#wasWritten) return this.fail({ kind: 'timeout', phase: 'headers' });
    if (this.#connection === null) return this.fail({ kind: 'network', code: 'no_socket' });
    this.fail(timedOutIn(this.#connection.progress.phase));
  }

  onNoConnection(result: AttemptResult): void {
    this.fail(result);
  }

  mayWrite(): boolean {
    if (this.request.isWanted?.() === false) this.abort();
    return !this.#ended;
  }

  onWrite(): void {
    this.#wasWritten = true;
  }

  onBytes(): void {
    this.#firstByteAtMs ??= this.#host.clock.monotonicMs();
  }

  onHead(head: ResponseHead): void {
    this.#head = head;
    this.#keepBytes = head.status < 300 ? KEPT_OF_SUCCESS : KEPT_OF_FAILURE;
  }

  onBody(bytes: Buffer): void {
    if (this.#ended) return;
    this.#received += bytes.length;
    const room = this.#keepBytes - this.#bodyLength;
    if (room > 0) this.#keep(bytes.length > room ? bytes.subarray(0, room) : bytes);
    if (this.#received > MOST_BODY_BYTES && this.#head !== null)
      this.#end(response(this.#head, 'body_truncated'), 0);
  }

  onEnd(idleMs: number): void {
    if (this.#head === null) throw new Error('a response ended before it began');
    const isWhole = this.#received <= this.#keepBytes;
    this.#end(response(this.#head, isWhole ? null : 'body_truncated'), idleMs);
  }

  onInvalid(code: ParseFailure): void {
    if (this.#head !== null) this.#end(response(this.#head, 'body_broken'), 0);
    else this.fail({ kind: 'protocol', code });
  }

  onBroken(error: Error | undefined): void {
    if (this.#head !== null) return this.#end(response(this.#head, 'body_broken'), 0);
    const facts = { wasReused: this.#isReused, hadResponse: this.#firstByteAtMs !== null };
    this.fail(classifyExchangeError(error, facts));
  }

  // The chunk is a window on a socket's buffer of 64 KiB, which keeping it would hold on to.
  #keep(chunk: Buffer): void {
    if (this.#bodyLength === 0) {
      this.#body = Buffer.from(chunk);
    } else {
      if (this.#body.length < this.#bodyLength + chunk.length) {
        const grown = new Uint8Array(this.#keepBytes);
        grown.set(this.#body.subarray(0, this.#bodyLength));
        this.#body = grown;
      }
      this.#body.set(chunk, this.#bodyLength);
    }
    this.#bodyLength += chunk.length;
  }

  #end(result: AttemptResult, idleMs: number): void {
    if (this.#ended) return;
    this.#ended = true;
    const report = this.#report(result);
    this.#host.onEnd(this, this.#connection, idleMs);
    this.#resolve(report);
  }

  #report(result: AttemptResult): AttemptReport {
    const body = this.#body;
    const kept = body.length === this.#bodyLength ? body : body.subarray(0, this.#bodyLength);
    const secrets = this.#outgoing === null ? [] : this.#outgoing.secrets;
    const headers = this.#head === null ? '' : keptHeaders(this.#head.headers);
    return {
      result,
      startedAtMs: this.#startedAtMs,
      phases: this.#phases(),
      requestHeaders: this.#outgoing === null ? '' : this.#outgoing.shownHeaders,
      responseHeaders: secrets.length === 0 ? headers : redactText(headers, secrets, false),
      responseBody: redactBody(kept, secrets, this.#received > this.#bodyLength),
      bodyBytes: this.request.payload.byteLength,
      peer: this.#connection === null ? null : this.#connection.progress.peer,
    };
  }

  #phases(): AttemptPhases {
    const start = this.#startedMonotonicMs;
    const opened = this.#connection === null || this.#isReused ? null : this.#connection.progress;
    return {
      dnsMs: since(start, opened === null ? null : opened.dnsAtMs),
      connectMs: since(start, opened === null ? null : opened.connectAtMs),
      tlsMs: since(start, opened === null ? null : opened.tlsAtMs),
      firstByteMs: since(start, this.#firstByteAtMs),
      totalMs: since(start, this.#host.clock.monotonicMs()),
    };
  }
}

/** To the microsecond: more digits than that are noise, and cost time to write. */
const since = <At extends number | null>(startMs: number, atMs: At): At | number =>
  atMs === null ? atMs : Math.round((atMs - startMs) * 1_000) / 1_000;

const LONGEST_RETRY_AFTER = 128;

// Repeated lines come joined, which makes them no number and no date: garbage, as it should be.
const response = ({ status, retryAfter }: ResponseHead, bodyError: string | null): AttemptResult => ({
  kind: 'response',
  status,
  retryAfter: retryAfter === null ? null : retryAfter.slice(0, LONGEST_RETRY_AFTER),
  bodyError,
});
