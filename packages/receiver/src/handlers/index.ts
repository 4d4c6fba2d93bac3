export type { Answer } from './answer.ts';
export type {
  DedupOptions,
  Handle,
  HandledEvent,
  HandlerContext,
  ReceiverOptions,
  Reply,
} from './options.ts';
export { createReceiver, type Receiver } from './receiver.ts';
export type { BodyRead, HttpRequest, ReadBody } from './request.ts';
export { webhooks } from './web.ts';
