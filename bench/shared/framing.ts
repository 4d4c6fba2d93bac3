/**
 * Cuts a byte stream into HTTP/1.1 messages and nothing more: where the head
 * ends, how long the body is. Generator and receiver both sit on it; on two
 * cores every microsecond they spend is taken from the process under test.
 *
 * `onMessage(buffer, start, bodyStart, end)` is called for each complete
 * message. The bytes are only valid during the call. A chunked body is passed
 * with its chunk lines. A peer that breaks the framing makes `push` throw.
 */
export class Framer {
  readonly #onMessage: (buffer: Buffer, start: number, bodyStart: number, end: number) => void;
  #carry: Buffer | undefined;
  #bodyStart = 0;

  constructor(onMessage: (buffer: Buffer, start: number, bodyStart: number, end: number) => void) {
    this.#onMessage = onMessage;
  }

  /** Takes the first `length` bytes of `chunk`; copies only what is incomplete. */
  push(chunk: Buffer, length: number): void {
    let buffer = chunk;
    let limit = length;
    if (this.#carry !== undefined) {
      buffer = Buffer.concat([this.#carry, chunk.subarray(0, length)]);
      limit = buffer.length;
      this.#carry = undefined;
    }
    let start = 0;
    while (start < limit) {
      const end = this.#frame(buffer, start, limit);
      if (end < 0) {
        this.#carry = Buffer.from(buffer.subarray(start, limit));
        return;
      }
      this.#onMessage(buffer, start, this.#bodyStart, end);
      start = end;
    }
  }

  /** End of the message that begins at `start`, or -1 while it is incomplete. */
  #frame(buffer: Buffer, start: number, limit: number): number {
    const headEnd = buffer.indexOf('\r\n\r\n', start, 'latin1');
    if (headEnd < 0 || headEnd + 4 > limit) return -1;
    const bodyStart = headEnd + 4;
    this.#bodyStart = bodyStart;
    const length = bodyLength(buffer, start, headEnd);
    if (length === chunked) return chunkedEnd(buffer, bodyStart, limit);
    return bodyStart + length <= limit ? bodyStart + length : -1;
  }
}

const chunked = -1;

/**
 * Length of the body by the head before `headEnd`; `chunked` for that coding.
 * One pass over the bytes: searching the buffer for a name that is spelt
 * differently would run through everything behind the head.
 */
function bodyLength(buffer: Buffer, start: number, headEnd: number): number {
  for (let at = start; at < headEnd; at++) {
    if (buffer[at] !== lineFeed) continue;
    const first = (buffer[at + 1] ?? 0) | lowerCase;
    if (first === letterC && buffer[at + 15] === colon && nameIs(buffer, at + 1, 'content-length')) {
      return digits(buffer, at + 16);
    }
    if (first === letterT && nameIs(buffer, at + 1, 'transfer-encoding:')) return chunked;
  }
  return 0;
}

const lineFeed = 10;
const colon = 58;
const lowerCase = 32;
const letterC = 99;
const letterT = 116;

function nameIs(buffer: Buffer, at: number, name: string): boolean {
  return buffer.toString('latin1', at, at + name.length).toLowerCase() === name;
}

function digits(buffer: Buffer, from: number): number {
  let at = from;
  while (buffer[at] === 32 || buffer[at] === 9) at++;
  let value = 0;
  for (; ; at++) {
    const digit = (buffer[at] ?? 0) - 48;
    if (digit < 0 || digit > 9) return value;
    value = value * 10 + digit;
  }
}

function chunkedEnd(buffer: Buffer, bodyStart: number, limit: number): number {
  let at = bodyStart;
  for (;;) {
    const lineEnd = buffer.indexOf('\r\n', at, 'latin1');
    if (lineEnd < 0 || lineEnd + 2 > limit) return -1;
    const size = Number.parseInt(buffer.toString('latin1', at, lineEnd), 16);
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new Error('chunked body with an unreadable chunk size');
    }
    if (size === 0) return trailerEnd(buffer, lineEnd, limit);
    at = lineEnd + 2 + size + 2;
    if (at > limit) return -1;
  }
}

function trailerEnd(buffer: Buffer, lastChunkLineEnd: number, limit: number): number {
  const end = buffer.indexOf('\r\n\r\n', lastChunkLineEnd, 'latin1');
  return end < 0 || end + 4 > limit ? -1 : end + 4;
}

/** Status code of the response that begins at `start`; 0 when there is none. */
export function statusOf(buffer: Buffer, start: number): number {
  const hundreds = (buffer[start + 9] ?? 0) - 48;
  const tens = (buffer[start + 10] ?? 0) - 48;
  const ones = (buffer[start + 11] ?? 0) - 48;
  const status = hundreds * 100 + tens * 10 + ones;
  return status >= 100 && status <= 599 ? status : 0;
}
