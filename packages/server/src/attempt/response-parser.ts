import type { HeaderLines } from '../domain/attempt.ts';

/** What is told before the body of a final response. */
export type ResponseHead = {
  readonly status: number;
  readonly headers: HeaderLines;
  /** The Retry-After header, or null; repeated lines are joined. */
  readonly retryAfter: string | null;
};

/** What a parser tells, in this order: at most one head, any number of body parts, one end. */
export type ResponseSink = {
  readonly onHead: (head: ResponseHead) => void;
  /** A window on the bytes that were pushed: copy what must last. */
  readonly onBody: (bytes: Buffer) => void;
  /**
   * The response is whole. For `idleMs` the peer keeps the connection open for another request:
   * 0 is not at all, Infinity that it did not say.
   */
  readonly onEnd: (idleMs: number) => void;
  /** What came is no response of HTTP/1.1; the connection is of no further use. */
  readonly onInvalid: (code: ParseFailure) => void;
};

export type ParseFailure =
  | 'bad_response'
  | 'bad_status'
  | 'headers_too_large'
  | 'too_many_informational'
  | 'unexpected_upgrade';

type State = 'head' | 'length' | 'until_close' | 'chunk_size' | 'chunk' | 'chunk_end' | 'trailer' | 'done';

const MOST_HEAD_BYTES = 16_384;
const MOST_LINE_BYTES = 4_096;
const MOST_INFORMATIONAL = 16;
const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const STATUS_LINE = /^HTTP\/1\.[01] ([0-9]{3})(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const BEGIN_OF_STATUS_LINE = 'HTTP/1.';
/** Lines as RFC 9112 has them, none folded, no control character but the tab. */
const HEADER_LINES = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*$/;
const LENGTH = /^[0-9]{1,15}$/;
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,12})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/;
const NO_BYTES = Buffer.alloc(0);

/**
 * Reads the one response of one request, strictly after RFC 9112: what is ambiguous there (two
 * lengths, a length beside chunks, bare line feeds, folded lines) is no response here. Informational
 * responses are passed over, a bounded number of them. Heads, chunk lines and trailers are bounded;
 * the body is handed on piece by piece and never gathered.
 */
export class ResponseParser {
  readonly #sink: ResponseSink;
  #state: State = 'head';
  #pending = NO_BYTES;
  #informational = 0;
  /** Of the body or of the chunk, still to come. */
  #left = 0;
  #trailerBytes = 0;
  #idleMs = 0;

  constructor(sink: ResponseSink) {
    this.#sink = sink;
  }

  /** Takes the next bytes of the connection. What comes after the response's end is an answer that nobody asked for. */
  push(bytes: Buffer): void {
    let rest = bytes;
    while (rest.length > 0 && this.#state !== 'done') rest = this.#step(rest);
    if (rest.length > 0) this.#idleMs = 0;
    if (this.#state === 'done') this.#finish();
  }

  /** The peer closed its side. True when that is how this response ends. */
  close(): boolean {
    if (this.#state !== 'until_close') return false;
    this.#state = 'done';
    this.#finish();
    return true;
  }

  #finished = false;
  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#sink.onEnd(this.#idleMs);
  }

  #fail(code: ParseFailure): Buffer {
    this.#state = 'done';
    this.#finished = true;
    this.#sink.onInvalid(code);
    return NO_BYTES;
  }

  #step(bytes: Buffer): Buffer {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes);
      case 'until_close':
        this.#sink.onBody(bytes);
        return NO_BYTES;
      case 'length':
      case 'chunk':
        return this.#readBody(bytes);
      case 'chunk_size':
      case 'chunk_end':
      case 'trailer':
        return this.#readLine(bytes);
      case 'done':
        return bytes;
      default:
        return this.#state satisfies never;
    }
  }

  #readHead(bytes: Buffer): Buffer {
    const data = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    const end = data.indexOf(HEAD_END);
    if (end > MOST_HEAD_BYTES || (end < 0 && data.length > MOST_HEAD_BYTES))
      return this.#fail('headers_too_large');
    if (end < 0) {
      if (!mayBecomeHead(data)) return this.#fail('bad_response');
      // A window on a socket's buffer of 64 KiB, which keeping it would hold on to.
      this.#pending = Buffer.from(data);
      return NO_BYTES;
    }
    this.#pending = NO_BYTES;
    const failure = this.#takeHead(data.toString('latin1', 0, end + 2));
    return failure === null ? data.subarray(end + HEAD_END.length) : this.#fail(failure);
  }

  #takeHead(text: string): ParseFailure | null {
    const lineEnd = text.indexOf('\r\n');
    const status = STATUS_LINE.exec(text.slice(0, lineEnd))?.[1];
    const lines = text.slice(lineEnd + 2);
    if (status === undefined || !HEADER_LINES.test(lines)) return 'bad_response';
    const code = Number(status);
    if (code < 100) return 'bad_status';
    if (code === 101) return 'unexpected_upgrade';
    if (code < 200) return ++this.#informational > MOST_INFORMATIONAL ? 'too_many_informational' : null;
    const framing = framingOf(code, lines);
    if (framing === null) return 'bad_response';
    this.#state = framing.state;
    this.#left = framing.length;
    this.#idleMs = framing.state !== 'until_close' && text.startsWith('HTTP/1.1') ? framing.idleMs : 0;
    this.#sink.onHead({ status: code, headers: lines, retryAfter: framing.retryAfter });
    return null;
  }

  #readBody(bytes: Buffer): Buffer {
    const part = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
    this.#left -= part.length;
    if (this.#left === 0) this.#state = this.#state === 'chunk' ? 'chunk_end' : 'done';
    this.#sink.onBody(part);
    return bytes.subarray(part.length);
  }

  #readLine(bytes: Buffer): Buffer {
    const end = bytes.indexOf(LINE_FEED);
    const part = end < 0 ? bytes : bytes.subarray(0, end + 1);
    const line = this.#pending.length === 0 ? part : Buffer.concat([this.#pending, part]);
    if (line.length > MOST_LINE_BYTES) return this.#fail('bad_response');
    this.#pending = end < 0 ? Buffer.from(line) : NO_BYTES;
    if (end < 0) return NO_BYTES;
    if (line.length < 2 || line[line.length - 2] !== CARRIAGE_RETURN) return this.#fail('bad_response');
    const isValid = this.#takeLine(line.toString('latin1', 0, line.length - 2));
    return isValid ? bytes.subarray(end + 1) : this.#fail('bad_response');
  }

  /** One line of the chunked coding (RFC 9112, 7.1); false when it is none. */
  #takeLine(line: string): boolean {
    if (this.#state === 'chunk_end') {
      this.#state = 'chunk_size';
      return line === '';
    }
    if (this.#state === 'trailer') {
      this.#trailerBytes += line.length + 2;
      if (line === '') this.#state = 'done';
      return this.#trailerBytes <= MOST_HEAD_BYTES && (line === '' || HEADER_LINES.test(`${line}\r\n`));
    }
    const size = CHUNK_SIZE.exec(line)?.[1];
    if (size === undefined) return false;
    this.#left = Number.parseInt(size, 16);
    this.#state = this.#left === 0 ? 'trailer' : 'chunk';
    return true;
  }
}

/** False as soon as no further byte can make a response of it: an SSH banner says no more. */
const mayBecomeHead = (data: Buffer): boolean => {
  const start = data.toString('latin1', 0, BEGIN_OF_STATUS_LINE.length);
  if (!BEGIN_OF_STATUS_LINE.startsWith(start)) return false;
  for (let at = data.indexOf(LINE_FEED); at >= 0; at = data.indexOf(LINE_FEED, at + 1))
    if (data[at - 1] !== CARRIAGE_RETURN) return false;
  return true;
};

type Framing = {
  readonly state: 'length' | 'chunk_size' | 'until_close' | 'done';
  /** Of the body, where `state` is `length`. */
  readonly length: number;
  readonly idleMs: number;
  readonly retryAfter: string | null;
};

const CLOSE = /(?:^|[,\s])close(?:$|[,\s])/i;
const IDLE_SECONDS = /(?:^|[,\s])timeout=(\d{1,9})/i;

/** How the body ends (RFC 9112, 6.3); null where the head contradicts itself. */
const framingOf = (status: number, lines: HeaderLines): Framing | null => {
  let length: string | null = null;
  let coding: string | null = null;
  let retryAfter: string | null = null;
  let idleMs = Infinity;
  for (let at = 0, end = lines.indexOf('\r\n'); end >= 0; at = end + 2, end = lines.indexOf('\r\n', at)) {
    const colon = lines.indexOf(':', at);
    const value = (): string => lines.slice(colon + 1, end).trim();
    switch (nameOf(lines, at, colon)) {
      case 'content-length':
        if (length !== null || !LENGTH.test(value())) return null;
        length = value();
        break;
      case 'transfer-encoding':
        coding = coding === null ? value().toLowerCase() : `${coding},${value()}`;
        break;
      case 'connection':
        if (CLOSE.test(value())) idleMs = 0;
        break;
      case 'keep-alive':
        idleMs = Math.min(idleMs, Number(IDLE_SECONDS.exec(value())?.[1] ?? Infinity) * 1_000);
        break;
      case 'retry-after':
        retryAfter = retryAfter === null ? value() : `${retryAfter}, ${value()}`;
        break;
      default:
    }
  }
  if (length !== null && coding !== null) return null;
  const state =
    status === 204 || status === 304
      ? 'done'
      : coding !== null
        ? coding === 'chunked'
          ? 'chunk_size'
          : 'until_close'
        : length === null
          ? 'until_close'
          : Number(length) === 0
            ? 'done'
            : 'length';
  return { state, length: Number(length), idleMs, retryAfter };
};

/** The name in lower case where it is as long as one that matters, else nothing. */
const nameOf = (lines: HeaderLines, at: number, colon: number): string => {
  const length = colon - at;
  return length === 14 || length === 17 || length === 10 || length === 11
    ? lines.slice(at, colon).toLowerCase()
    : '';
};
