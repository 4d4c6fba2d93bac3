import { concat } from '../bytes.ts';
import { bodyRefused, readBefore, type ReadBody, tooLarge, tooSlow } from './request.ts';

type Reader = {
  readonly read: () => Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  readonly cancel: () => Promise<unknown>;
};
export type WebBody = { readonly locked: boolean; readonly getReader: () => Reader };

/** What of fetch's Request the reader needs: Request itself, NextRequest, Azure's HttpRequest. */
export type WebRequest = {
  readonly method: string;
  readonly url: string;
  readonly headers: { readonly get: (name: string) => string | null };
  readonly body: unknown;
  readonly bodyUsed: boolean;
};

/** Reads the body of a fetch Request, and says `remedy` when somebody else did. */
export const readWebBody =
  (request: WebRequest, remedy: string): ReadBody =>
  async (limits) => {
    const body = request.body as WebBody | null | undefined;
    if (request.bodyUsed || body?.locked) return readBefore(undefined, remedy)(limits);
    if (!body) return { kind: 'bytes', bytes: new Uint8Array(0) };

    const { maxBytes, signal } = limits;
    const reader = body.getReader();
    const stop = (): void => void reader.cancel().catch(() => undefined);
    signal.addEventListener('abort', stop);
    const chunks: Uint8Array[] = [];
    let length = 0;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (signal.aborted) return tooSlow();
        if (done || value === undefined) return { kind: 'bytes', bytes: concat(...chunks) };
        length += value.length;
        if (length > maxBytes) {
          stop();
          return tooLarge(maxBytes);
        }
        chunks.push(value);
      }
    } catch {
      return bodyRefused('body_unreadable', 'The body ended before it was complete.');
    } finally {
      signal.removeEventListener('abort', stop);
    }
  };
