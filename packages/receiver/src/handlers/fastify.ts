import { Readable } from 'node:stream';
import { type NodeRequest, readNodeBody, readStream } from './node-body.ts';
import { receiveNode } from './node.ts';
import type { ReceiverOptions } from './options.ts';
import { type Receiver, receiverOf } from './receiver.ts';

// Methods, not properties: Fastify's own types are then assignable to these.
type Reply = {
  code(status: number): Reply;
  headers(headers: Record<string, string>): Reply;
  send(body: string): Reply;
};
type Request = { readonly raw: NodeRequest; readonly body: unknown };
type Instance = {
  removeAllContentTypeParsers(): void;
  addContentTypeParser(
    type: string,
    parser: (request: Request, payload: NodeRequest, done: (error: null, body: unknown) => void) => void,
  ): unknown;
  all(path: string, handler: (request: Request, reply: Reply) => Promise<unknown>): unknown;
};

const REMEDY = 'a hook such as preParsing read the request. Register the receiver outside of its scope.';

/**
 * A plugin for Fastify 4 and 5: `app.register(webhooks({ source, handle }), { prefix: '/webhooks' })`.
 * It answers below its prefix and gets the raw body there, whatever parsers the application has.
 */
export const webhooks = <Data = undefined>(options: ReceiverOptions<Data> | Receiver) => {
  const receiver = receiverOf(options);
  return async (fastify: Instance): Promise<void> => {
    // Parsers are encapsulated: those outside of the plugin stay.
    fastify.removeAllContentTypeParsers();
    fastify.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    const answer = async ({ raw, body }: Request, reply: Reply): Promise<unknown> => {
      const read = body instanceof Readable ? readStream(body) : readNodeBody(raw, REMEDY);
      const { status, headers, body: text } = await receiveNode(receiver, raw, read);
      return reply.code(status).headers(headers).send(text);
    };
    fastify.all('/', answer);
    fastify.all('/*', answer);
  };
};
