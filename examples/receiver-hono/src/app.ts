import { type ReceivedEvent, standardWebhooks } from '@posthorn/receiver';
import { memoryDedup } from '@posthorn/receiver/dedup/memory';
import { webhooks } from '@posthorn/receiver/hono';
import { Hono } from 'hono';

/** The longest that Posthorn tries again. */
const RETRY_WINDOW_MS = 75 * 3_600_000;

/** The application, apart from its host: `app.fetch` runs on Node, Bun, Deno and Workers. */
export const createApp = (secret: string, handle: (event: ReceivedEvent) => Promise<void> | void): Hono => {
  const app = new Hono();
  app.all(
    '/webhooks',
    webhooks({
      source: standardWebhooks(secret),
      dedup: { store: memoryDedup(), ttlMs: RETRY_WINDOW_MS },
      handle,
    }),
  );
  app.get('/', (context) => context.text('This is where your application goes.'));
  return app;
};
