import type { ReceiverOptions } from './options.ts';
import { type Receiver, receiverOf } from './receiver.ts';
import { readWebBody, type WebRequest } from './web-body.ts';

type Result = {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
};

const REMEDY =
  'the function read the request before the receiver did. Give the handler to app.http itself, or request.clone().';

/**
 * An HTTP handler for Azure Functions (programming model v4):
 * `app.http('webhooks', { methods: ['GET', 'HEAD', 'POST'], authLevel: 'anonymous', handler: webhooks({ … }) })`.
 */
export const webhooks = <Data = undefined>(options: ReceiverOptions<Data> | Receiver) => {
  const receiver = receiverOf(options);
  return async (request: WebRequest): Promise<Result> => {
    const { method, url, headers } = request;
    const read = readWebBody(request, REMEDY);
    const answer = await receiver.receive({ method, url, headers, read });
    return { ...answer, headers: { ...answer.headers } };
  };
};
