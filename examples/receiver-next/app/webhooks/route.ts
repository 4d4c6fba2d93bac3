import { standardWebhooks } from '@posthorn/receiver';
import { memoryDedup } from '@posthorn/receiver/dedup/memory';
import { webhooks } from '@posthorn/receiver/next';

/** The longest that Posthorn tries again. */
const RETRY_WINDOW_MS = 75 * 3_600_000;

const createRoute = (): ReturnType<typeof webhooks> => {
  const secret = process.env['WEBHOOK_SECRET'];
  if (!secret) throw new Error('Set WEBHOOK_SECRET to the secret of your endpoint (whsec_…).');
  return webhooks({
    source: standardWebhooks(secret),
    dedup: { store: memoryDedup(), ttlMs: RETRY_WINDOW_MS },
    handle: (event) => {
      console.log('handled', event.id, event.json());
    },
  });
};

let route: ReturnType<typeof webhooks> | undefined;

/** Made for the first request: `next build` loads this file where no secret is set. */
const answer = (request: Request): Promise<Response> => (route ??= createRoute()).POST(request);

export { answer as GET, answer as HEAD, answer as POST, answer as PUT, answer as PATCH, answer as DELETE };
