import type { Source } from '../contract.ts';
import type { Secret } from '../secrets.ts';
import { standardWebhooks, type StandardWebhooksOptions } from '../standard-webhooks.ts';
import type { HmacDescription } from './description.ts';
import { type HmacOptions, hmacSource } from './hmac.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

type Preset = (secrets: Secret | readonly Secret[], options?: HmacOptions) => Source;

/**
 * GitHub: the webhook's secret as text. A redelivery, which somebody asks for, keeps its
 * `X-GitHub-Delivery` and is possible for three days. GitHub signs no time.
 */
export const GITHUB: HmacDescription = {
  name: 'github',
  header: 'x-hub-signature-256',
  prefix: 'sha256=',
  id: { header: 'x-github-delivery' },
  eventType: { header: 'x-github-event' },
  retryWindowMs: 3 * DAY,
};
export const github: Preset = (secrets, options) => hmacSource(GITHUB, secrets, options);

/** Stripe: the endpoint's `whsec_…`, which is text here and not base64. */
export const STRIPE: HmacDescription = {
  name: 'stripe',
  header: 'stripe-signature',
  pairs: { separator: ',', timestamp: 't', signature: 'v1' },
  signed: '{timestamp}.{body}',
  id: { json: 'id' },
  eventType: { json: 'type' },
  retryWindowMs: 3 * DAY,
};
export const stripe: Preset = (secrets, options) => hmacSource(STRIPE, secrets, options);

/**
 * Shopify: the app's client secret. After a change of it, webhooks are signed with the old one
 * for up to an hour: give both. Shopify signs no time.
 */
export const SHOPIFY: HmacDescription = {
  name: 'shopify',
  header: 'x-shopify-hmac-sha256',
  encoding: 'base64',
  id: { header: 'x-shopify-webhook-id' },
  eventType: { header: 'x-shopify-topic' },
  retryWindowMs: 4 * HOUR,
};
export const shopify: Preset = (secrets, options) => hmacSource(SHOPIFY, secrets, options);

/** Slack: the app's signing secret. Only the Events API gives an id (`event_id`). */
export const SLACK: HmacDescription = {
  name: 'slack',
  header: 'x-slack-signature',
  prefix: 'v0=',
  signed: 'v0:{timestamp}:{body}',
  timestampHeader: 'x-slack-request-timestamp',
  id: { json: 'event_id' },
  eventType: { json: 'event.type' },
  retryWindowMs: 24 * HOUR,
};
export const slack: Preset = (secrets, options) => ({
  ...hmacSource(SLACK, secrets, options),
  patienceMs: 3_000,
  challenge: ({ body }) => {
    const challenge = urlVerification(new TextDecoder().decode(body));
    return challenge === null ? null : { contentType: 'text/plain', body: challenge };
  },
});

/** What Slack sends once, when the URL of its events is set: it wants the challenge back. */
const urlVerification = (body: string): string | null => {
  if (!body.includes('url_verification')) return null;
  try {
    const { type, challenge } = JSON.parse(body) as { readonly type?: unknown; readonly challenge?: unknown };
    return type === 'url_verification' && typeof challenge === 'string' ? challenge : null;
  } catch {
    return null;
  }
};

/** Paddle Billing: the destination's `pdl_ntfset_…`. Its own libraries tolerate 5 seconds. */
export const PADDLE: HmacDescription = {
  name: 'paddle',
  header: 'paddle-signature',
  pairs: { separator: ';', timestamp: 'ts', signature: 'h1' },
  signed: '{timestamp}:{body}',
  toleranceSeconds: 5,
  id: { json: 'event_id' },
  eventType: { json: 'event_type' },
  retryWindowMs: 3 * DAY,
};
export const paddle: Preset = (secrets, options) => hmacSource(PADDLE, secrets, options);

/** Svix: `whsec_…` or `whpk_…`, under `svix-*` or `webhook-*` names. */
export const svix = (secrets: Secret | readonly Secret[], options?: StandardWebhooksOptions): Source =>
  standardWebhooks(secrets, { name: 'svix', ...options });
