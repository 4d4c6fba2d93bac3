import type { ServerResponse } from 'node:http';
import type { Answer } from './answer.ts';
import { discardRest, type NodeRequest, readNodeBody } from './node-body.ts';
import type { ReceiverOptions } from './options.ts';
import { type Receiver, receiverOf } from './receiver.ts';
import type { HttpRequest, ReadBody } from './request.ts';

/** The answer to a Node request, for the framework to send. */
export const receiveNode = async (
  receiver: Receiver,
  request: NodeRequest,
  read: ReadBody,
): Promise<Answer> => {
  const answer = await receiver.receive(nodeRequest(request, read));
  if (answer.status === 413) await discardRest(request);
  if (request.complete) return answer;
  // The rest of the body would be taken for the connection's next request.
  return { ...answer, headers: { ...answer.headers, connection: 'close' } };
};

const nodeRequest = (request: NodeRequest, read: ReadBody): HttpRequest => {
  const { method = 'GET', url = '/', originalUrl = url, headers, socket } = request;
  const host = headers.host ?? (headers[':authority'] as string | undefined) ?? 'localhost';
  const scheme = 'encrypted' in socket ? 'https' : 'http';
  return {
    method,
    url: `${scheme}://${host}${originalUrl}`,
    // `headers` joins what came twice; this does not. HTTP/2 has only the first.
    headers: request.headersDistinct ?? headers,
    ...(socket.remoteAddress === undefined ? {} : { peerAddress: socket.remoteAddress }),
    read,
  };
};

/** Answers one request of Node's http server, or of what is built on it. Never rejects. */
export const answerNode = async (
  receiver: Receiver,
  request: NodeRequest,
  response: ServerResponse,
  remedy: string,
): Promise<void> => {
  const { status, headers, body } = await receiveNode(receiver, request, readNodeBody(request, remedy));
  // Something else, such as a middleware with a timeout, may have answered meanwhile.
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, headers).end(body);
};

/** A request listener: `createServer(webhooks({ source, handle }))`. */
export const webhooks = <Data = undefined>(options: ReceiverOptions<Data> | Receiver) => {
  const receiver = receiverOf(options);
  return (request: NodeRequest, response: ServerResponse): void =>
    void answerNode(
      receiver,
      request,
      response,
      'something read the request before the receiver did. Call the receiver first, or leave the bytes in request.rawBody.',
    );
};
