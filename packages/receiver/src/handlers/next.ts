import type { ReceiverOptions } from './options.ts';
import { type Receiver, receiverOf } from './receiver.ts';
import { answerWeb } from './web.ts';

/**
 * The methods of a route handler in Next's app router (`app/webhooks/route.ts`):
 * `export const { GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS } = webhooks({ source, handle })`.
 * POST alone works too; Next then answers the others itself, without saying what is allowed.
 */
export const webhooks = <Data = undefined>(options: ReceiverOptions<Data> | Receiver) => {
  const receiver = receiverOf(options);
  const handler = (request: Request): Promise<Response> =>
    answerWeb(
      receiver,
      request,
      'the request was read before the receiver got it. Hand the request on before request.json() or request.text().',
    );
  return {
    GET: handler,
    HEAD: handler,
    POST: handler,
    PUT: handler,
    PATCH: handler,
    DELETE: handler,
    OPTIONS: handler,
  };
};
