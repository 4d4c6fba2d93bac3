import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { concat } from '../bytes.ts';
import { type BodyRead, bodyRefused, readBefore, type ReadBody, tooLarge, tooSlow } from './request.ts';

/** Node's request, with what body parsers leave on it. */
export type NodeRequest = IncomingMessage & {
  readonly body?: unknown;
  readonly rawBody?: unknown;
  readonly originalUrl?: string;
};

/**
 * Reads the body of a Node request: the bytes that a parser kept (`rawBody`, or `body` as bytes or
 * text), else the stream. Says `remedy` when a parser has used it up.
 */
export const readNodeBody =
  (request: NodeRequest, remedy: string): ReadBody =>
  async (limits) => {
    for (const kept of [request.rawBody, request.body])
      if (kept instanceof Uint8Array || typeof kept === 'string') return readBefore(kept, remedy)(limits);
    if (!request.readableDidRead) return readStream(request)(limits);
    if (isEmpty(request)) return { kind: 'bytes', bytes: new Uint8Array(0) };
    return readBefore(undefined, remedy)(limits);
  };

const isEmpty = ({ headers }: NodeRequest): boolean =>
  headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;

/** Reads a stream that nobody has begun to read. */
export const readStream =
  (stream: Readable): ReadBody =>
  ({ maxBytes, signal }) =>
    new Promise<BodyRead>((resolve) => {
      const chunks: Uint8Array[] = [];
      let length = 0;
      const end = (read: BodyRead): void => {
        stream.off('data', take).off('end', whole).off('error', broken).off('close', broken);
        signal.removeEventListener('abort', late);
        // A late error of the stream must find a listener, or it ends the process.
        stream.on('error', () => undefined);
        resolve(read);
      };
      const take = (chunk: Uint8Array): void => {
        length += chunk.length;
        if (length > maxBytes) {
          stream.pause();
          end(tooLarge(maxBytes));
        } else chunks.push(chunk);
      };
      const whole = (): void => end({ kind: 'bytes', bytes: concat(...chunks) });
      const broken = (): void =>
        end(bodyRefused('body_unreadable', 'The body ended before it was complete.'));
      const late = (): void => end(tooSlow());
      signal.addEventListener('abort', late);
      stream.on('data', take).on('end', whole).on('error', broken).on('close', broken);
    });

const DISCARD_MS = 500;

/**
 * Discards the rest of a body that was refused, for a moment at most: a sender that is still
 * writing then finds the answer instead of a reset connection.
 */
export const discardRest = (request: IncomingMessage): Promise<void> =>
  new Promise((resolve) => {
    if (request.complete || request.destroyed) return resolve();
    const timer = setTimeout(resolve, DISCARD_MS);
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    request.once('end', end).once('close', end).resume();
  });
