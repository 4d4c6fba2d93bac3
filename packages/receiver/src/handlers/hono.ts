import type { ReceiverOptions } from './options.ts';
import { type Receiver, receiverOf } from './receiver.ts';
import { readBefore, type ReadBody } from './request.ts';
import { readWebBody } from './web-body.ts';
import { answerWeb } from './web.ts';

/** What of Hono's context the handler needs. */
type Context = {
  readonly req: {
    readonly raw: Request;
    readonly bodyCache: { readonly arrayBuffer?: unknown; readonly text?: unknown };
  };
  readonly env: unknown;
  readonly executionCtx: { waitUntil(work: Promise<unknown>): void };
};

const REMEDY =
  'a middleware read the request with c.req.json() or c.req.parseBody() and kept only what it made of it. ' +
  'Register the receiver above it, or let the middleware call c.req.arrayBuffer() first.';

/** A handler for Hono: `app.all('/webhooks', webhooks({ source, handle }))`, on every runtime of it. */
export const webhooks = <Data = undefined>(options: ReceiverOptions<Data> | Receiver) => {
  const receiver = receiverOf(options);
  return (context: Context): Promise<Response> => {
    const { raw } = context.req;
    const peerAddress = peerOf(context);
    const waitUntil = waitUntilOf(context);
    return answerWeb(
      receiver,
      raw,
      REMEDY,
      {
        ...(peerAddress === undefined ? {} : { peerAddress }),
        ...(waitUntil === undefined ? {} : { waitUntil }),
      },
      raw.bodyUsed ? readCached(context) : readWebBody(raw, REMEDY),
    );
  };
};

/** Hono keeps what it has read of a request; bytes and text will do. */
const readCached =
  ({ req: { bodyCache } }: Context): ReadBody =>
  async (limits) => {
    const kept: unknown = await (bodyCache.arrayBuffer ?? bodyCache.text);
    return readBefore(kept instanceof ArrayBuffer ? new Uint8Array(kept) : kept, REMEDY)(limits);
  };

type Bindings = {
  readonly incoming?: { readonly socket?: { readonly remoteAddress?: string } };
  readonly remoteAddr?: { readonly hostname?: string };
  readonly requestIP?: (request: Request) => { readonly address: string } | null;
};

/** The bindings hold the connection: Node's, Deno's and Bun's. */
const peerOf = ({ env, req }: Context): string | undefined => {
  const bindings = (env ?? {}) as Bindings;
  return (
    bindings.incoming?.socket?.remoteAddress ??
    bindings.remoteAddr?.hostname ??
    bindings.requestIP?.(req.raw)?.address
  );
};

const waitUntilOf = (context: Context): ((work: Promise<unknown>) => void) | undefined => {
  try {
    const { executionCtx } = context;
    return (work) => executionCtx.waitUntil(work);
  } catch {
    // Only Workers have one; Hono throws elsewhere.
    return undefined;
  }
};
