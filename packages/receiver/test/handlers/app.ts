// What runs behind every adapter in the contract tests: in this process, under other runtimes and
// bundled for Workers. So it uses only what all of them have.
import { memoryDedup } from '../../src/dedup/memory.ts';
import type { ReceiverOptions } from '../../src/handlers/options.ts';
import { standardWebhooks } from '../../src/standard-webhooks.ts';

export const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
export const MOST_BYTES = 1_048_576;

const hex = (bytes: ArrayBuffer): string =>
  [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** Tells in its answer what the handler was given, which proves the bytes. */
export const app = (): ReceiverOptions => ({
  source: { main: standardWebhooks(SECRET) },
  maxBytes: MOST_BYTES,
  dedup: { store: memoryDedup(), ttlMs: 75 * 3_600_000 },
  handle: async ({ id, source, contentType, body }) => ({
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      id,
      source,
      contentType,
      length: body.length,
      sha256: hex(await crypto.subtle.digest('SHA-256', Uint8Array.from(body))),
    }),
  }),
});
