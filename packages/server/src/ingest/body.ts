import type { IncomingMessage } from 'node:http';

/** How a body ended up: its bytes, or why they were not read. */
export type BodyReading =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'too_large' }
  /** Others that are still arriving fill the memory that bodies may take. */
  | { readonly kind: 'no_room' };

export type BodyReader = {
  /**
   * Reads a body and says once how that went. Of a request that breaks off nothing is heard again:
   * there is nobody to answer.
   */
  readonly read: (request: IncomingMessage, done: (reading: BodyReading) => void) => void;
  /** Bytes of bodies that have arrived in part. */
  readonly pendingBytes: () => number;
};

const DISCARDED_BYTES = 16 * 1024 * 1024;

/**
 * Lets the rest of a body go by. Most clients read an answer only when they have sent all of theirs, and
 * a connection that is closed under them shows them no answer at all; beyond the bound it is closed.
 */
export const discard = (request: IncomingMessage): void => {
  let left = DISCARDED_BYTES;
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
};

/**
 * Reads bodies of at most `maxBytes`, and of those that arrive in parts no more than `maxPendingBytes`
 * at once: a thousand slow clients with a large body each would otherwise fill the memory. A body that
 * arrives in one piece is not counted.
 */
export const createBodyReader = (limits: {
  readonly maxBytes: number;
  readonly maxPendingBytes: number;
}): BodyReader => {
  let pendingBytes = 0;

  const read = (request: IncomingMessage, done: (reading: BodyReading) => void): void => {
    const announced = Number(request.headers['content-length'] ?? Number.NaN);
    if (announced > limits.maxBytes) {
      discard(request);
      return done({ kind: 'too_large' });
    }
    let chunks: Buffer[] = [];
    let total = 0;
    let counted = 0;
    const release = (): void => {
      pendingBytes -= counted;
      counted = 0;
    };
    const refuse = (kind: 'too_large' | 'no_room'): void => {
      request.removeAllListeners('data').removeAllListeners('end');
      chunks = [];
      release();
      discard(request);
      done({ kind });
    };
    request.on('data', (chunk: Buffer) => {
      total += chunk.length;
      if (total > limits.maxBytes) return refuse('too_large');
      chunks.push(chunk);
      if (total === announced && chunks.length === 1) return;
      if (counted === 0) request.once('close', release);
      pendingBytes += total - counted;
      counted = total;
      if (pendingBytes > limits.maxPendingBytes) refuse('no_room');
    });
    request.on('end', () => {
      release();
      done({ kind: 'bytes', bytes: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks) });
    });
  };

  return { read, pendingBytes: () => pendingBytes };
};
