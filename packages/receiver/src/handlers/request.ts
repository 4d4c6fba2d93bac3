import type { HeadersLike } from '../contract.ts';

export type BodyRefusal = 'body_already_parsed' | 'body_too_large' | 'body_timeout' | 'body_unreadable';

export type BodyRead =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'refused'; readonly code: BodyRefusal; readonly message: string };

/** Reads the whole body as it came, at most `maxBytes` of it and until `signal`. Never rejects. */
export type ReadBody = (limits: {
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}) => Promise<BodyRead>;

/** One HTTP request as an adapter hands it in: everything but the body, which is read on demand. */
export type HttpRequest = {
  readonly method: string;
  /** As the sender addressed it, absolute where the host knows it. */
  readonly url: string;
  readonly headers: HeadersLike;
  /** The other end of the connection, without its port. */
  readonly peerAddress?: string;
  readonly read: ReadBody;
  /** Keeps the host awake for work that outlives the answer, where it would stop otherwise. */
  readonly waitUntil?: (work: Promise<unknown>) => void;
  /** What the host leaves for this request, where that may be less than the deadline. */
  readonly remainingMs?: number;
};

export const bodyRefused = (code: BodyRefusal, message: string): BodyRead => ({
  kind: 'refused',
  code,
  message,
});

export const tooLarge = (maxBytes: number): BodyRead =>
  bodyRefused(
    'body_too_large',
    `The body is larger than ${maxBytes} bytes, which is all that is taken here.`,
  );

export const tooSlow = (): BodyRead => bodyRefused('body_timeout', 'The body did not arrive in time.');

/** A body that somebody else has read already, as far as it can still be had. */
export const readBefore =
  (body: unknown, remedy: string): ReadBody =>
  async ({ maxBytes }) => {
    if (body instanceof Uint8Array)
      return body.length > maxBytes ? tooLarge(maxBytes) : { kind: 'bytes', bytes: body };
    // U+FFFD stands where bytes were not UTF-8: what was sent cannot be known any more.
    if (typeof body === 'string' && !body.includes('\uFFFD'))
      return readBefore(new TextEncoder().encode(body), remedy)({ maxBytes, signal: never });
    return bodyRefused('body_already_parsed', `The raw body is gone: ${remedy}`);
  };

const never = new AbortController().signal;
