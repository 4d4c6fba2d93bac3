import type { ServerResponse } from 'node:http';
import type { NodeRequest } from './node-body.ts';
import { answerNode } from './node.ts';
import type { ReceiverOptions } from './options.ts';
import { type Receiver, receiverOf } from './receiver.ts';

const REMEDY =
  'request.rawBody is missing. Deploy as an HTTP function of @google-cloud/functions-framework, which keeps it, ' +
  'and hand its request on as it is.';

/** An HTTP function for Google Cloud: `http('webhooks', webhooks({ source, handle }))`. */
export const webhooks = <Data = undefined>(options: ReceiverOptions<Data> | Receiver) => {
  const receiver = receiverOf(options);
  return (request: NodeRequest, response: ServerResponse): Promise<void> =>
    answerNode(receiver, request, response, REMEDY);
};
