export { standardWebhooks, type StandardWebhooksOptions } from '../standard-webhooks.ts';
export type { HmacDescription } from './description.ts';
export { type HmacOptions, hmacSource, signHmac } from './hmac.ts';
export {
  github,
  GITHUB,
  paddle,
  PADDLE,
  shopify,
  SHOPIFY,
  slack,
  SLACK,
  stripe,
  STRIPE,
  svix,
} from './senders.ts';
export { signTwilio, twilio, type TwilioOptions } from './twilio.ts';
