import type { ServerResponse } from 'node:http';
import type { NodeRequest } from './node-body.ts';
import { answerNode } from './node.ts';
import type { ReceiverOptions } from './options.ts';
import { type Receiver, receiverOf } from './receiver.ts';

const REMEDY =
  'a body parser such as app.use(express.json()) ran before this route. Move app.all(path, webhooks(…)) above it; ' +
  'or let it keep the bytes: express.json({ verify: (request, _response, bytes) => { request.rawBody = bytes } }).';

/**
 * A request handler for Express 4 and 5: `app.all('/webhooks', webhooks({ source, handle }))`,
 * above any `app.use(express.json())`. It also takes what `express.raw()` and `express.text()` read.
 */
export const webhooks = <Data = undefined>(options: ReceiverOptions<Data> | Receiver) => {
  const receiver = receiverOf(options);
  return (request: NodeRequest, response: ServerResponse): void =>
    void answerNode(receiver, request, response, REMEDY);
};
