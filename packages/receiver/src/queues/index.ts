export {
  type Consumer,
  type ConsumeOptions,
  createConsumer,
  type DeadMessage,
  type Verdict,
} from './consumer.ts';
export type { QueueDedup } from './dedup.ts';
export { handOff, type Send } from './hand-off.ts';
export { type Delivered, pack, unpack } from './message.ts';
