import { decodeBase64 } from '../bytes.ts';
import { type ConsumeOptions, createConsumer } from './consumer.ts';
import type { Delivered } from './message.ts';

/** How to answer Pub/Sub: 204 acknowledges, anything else makes it push again. */
export type PubSubAnswer = { readonly status: 204 | 400 | 503; readonly why: string };

/**
 * The receiving end of a Pub/Sub push subscription (wrapped payload). Give it the request's body,
 * after its OIDC token was checked, and answer with `status`.
 *
 * Attempts are counted by Pub/Sub, and only where the subscription has a dead-letter policy
 * (`deliveryAttempt`); without one a message that always fails comes until its retention ends.
 */
export const pubsubPush = (
  options: ConsumeOptions,
): ((body: Uint8Array | string) => Promise<PubSubAnswer>) => {
  const consume = createConsumer(options);
  return async (body) => {
    const message = deliveredOf(body);
    if (message === null)
      return {
        status: 400,
        why: 'This is not the envelope of a Pub/Sub push. Switch off payload unwrapping on the subscription.',
      };
    const verdict = await consume(message);
    if (verdict.kind === 'ack') return { status: 204, why: verdict.why };
    return { status: 503, why: verdict.error };
  };
};

type Envelope = {
  readonly message?: {
    readonly data?: unknown;
    readonly messageId?: unknown;
    readonly attributes?: unknown;
  } | null;
  readonly subscription?: unknown;
  readonly deliveryAttempt?: unknown;
};

const deliveredOf = (body: Uint8Array | string): Delivered | null => {
  const envelope = parsed(typeof body === 'string' ? body : new TextDecoder().decode(body));
  const { message, subscription, deliveryAttempt } = envelope ?? {};
  if (typeof message?.messageId !== 'string' || typeof subscription !== 'string') return null;
  const { data = '', attributes, messageId } = message;
  const bytes = data === '' ? new Uint8Array() : typeof data === 'string' ? decodeBase64(data) : null;
  if (bytes === null) return null;
  return {
    id: messageId,
    body: bytes,
    attempt: typeof deliveryAttempt === 'number' ? Math.max(1, deliveryAttempt) : 1,
    from: subscription.slice(subscription.lastIndexOf('/') + 1),
    headers: textsOf(attributes),
  };
};

const parsed = (text: string): Envelope | null => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
};

const textsOf = (attributes: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(attributes ?? {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  );
