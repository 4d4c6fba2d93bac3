import type { ReceiverOptions } from './options.ts';
import { type Receiver, receiverOf } from './receiver.ts';
import type { HttpRequest } from './request.ts';
import { readWebBody, type WebRequest } from './web-body.ts';

type Extra = Pick<HttpRequest, 'peerAddress' | 'waitUntil'>;

/** Answers one fetch Request; `remedy` is what to change when its body was read before. */
export const answerWeb = async (
  receiver: Receiver,
  request: WebRequest,
  remedy: string,
  extra: Extra = {},
  read = readWebBody(request, remedy),
): Promise<Response> => {
  const { method, url, headers } = request;
  const { status, headers: sent, body } = await receiver.receive({ method, url, headers, read, ...extra });
  return new Response(body === '' ? null : body, { status, headers: sent });
};

/** What Bun gives a fetch handler beside the request, and what Deno does. */
type BunServer = { readonly requestIP: (request: Request) => { readonly address: string } | null };
type DenoInfo = { readonly remoteAddr: { readonly hostname?: string } };

/**
 * A fetch handler, for Bun, Deno and everything else that takes one:
 * `Bun.serve({ fetch: webhooks({ source, handle }) })`, `Deno.serve(webhooks({ source, handle }))`.
 */
export const webhooks = <Data = undefined>(options: ReceiverOptions<Data> | Receiver) => {
  const receiver = receiverOf(options);
  return (request: Request, host?: unknown): Promise<Response> =>
    answerWeb(
      receiver,
      request,
      'something read the request before the receiver did. Give it the request first, or request.clone().',
      peerOf(request, host as Partial<BunServer & DenoInfo> | undefined),
    );
};

const peerOf = (request: Request, host: Partial<BunServer & DenoInfo> | undefined): Extra => {
  const peerAddress = host?.remoteAddr?.hostname ?? host?.requestIP?.(request)?.address;
  return peerAddress === undefined ? {} : { peerAddress };
};
