import type { IncomingMessage, ServerResponse } from 'node:http';
import { verify } from '@posthorn/receiver';

/** Where the built-in receiver listens, on the server's own port. */
export const DEMO_PATH = '/demo/receiver';

/** What the built-in receiver saw of one webhook. */
export type DemoReceipt = { readonly messageId: string; readonly verified: boolean; readonly atMs: number };

export type DemoReceiver = {
  /** Takes requests to {@link DEMO_PATH}; false for others. */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Resolves when the message arrived. */
  readonly receipt: (messageId: string) => Promise<DemoReceipt>;
  /** The secret to verify with, once the endpoint has one. */
  readonly useSecret: (secret: string) => void;
  /** From now on tells of each webhook that arrives. */
  readonly onReceipt: (tell: (receipt: DemoReceipt) => void) => void;
};

const BODY_LIMIT = 2 * 1024 * 1024;
const REMEMBERED = 1_000;

const answer = (response: ServerResponse, status: number, body: object, headers: object = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
};

/** The consumer's side in small: verifies each webhook with the receiver library and answers 200 or 401. */
export const createDemoReceiver = (nowMs: () => number): DemoReceiver => {
  let secret: string | null = null;
  let tell: (receipt: DemoReceipt) => void = () => {};
  const seen = new Map<string, DemoReceipt>();
  const waiting = new Map<string, (receipt: DemoReceipt) => void>();

  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > BODY_LIMIT) {
        answer(response, 413, {
          error: 'too_large',
          message: `The demo receiver takes ${BODY_LIMIT} bytes.`,
        });
        return;
      }
      chunks.push(chunk);
    }
    const result = await verify(Buffer.concat(chunks), request.headers, secret ?? [], { nowMs: nowMs() });
    const messageId = String(request.headers['webhook-id'] ?? request.headers['svix-id'] ?? '');
    const receipt = { messageId, verified: result.ok, atMs: nowMs() };
    if (result.ok) answer(response, 200, { received: messageId });
    else answer(response, 401, { error: result.code, message: result.message });
    if (seen.size >= REMEMBERED) seen.clear();
    seen.set(messageId, receipt);
    waiting.get(messageId)?.(receipt);
    waiting.delete(messageId);
    tell(receipt);
  };

  return {
    handle: (request, response) => {
      if (request.url !== DEMO_PATH) return false;
      if (request.method !== 'POST') {
        const body = { code: 'method_not_allowed', detail: 'The demo receiver takes POST.' };
        answer(response, 405, body, { allow: 'POST' });
        return true;
      }
      // A broken connection is the sender's to notice.
      receive(request, response).catch(() => response.destroy());
      return true;
    },
    receipt: (messageId) =>
      new Promise((resolve) => {
        const known = seen.get(messageId);
        if (known === undefined) waiting.set(messageId, resolve);
        else resolve(known);
      }),
    useSecret: (value) => {
      secret = value;
    },
    onReceipt: (listener) => {
      tell = listener;
    },
  };
};
