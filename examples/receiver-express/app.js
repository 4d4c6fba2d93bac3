import { standardWebhooks } from '@posthorn/receiver';
import { memoryDedup } from '@posthorn/receiver/dedup/memory';
import { webhooks } from '@posthorn/receiver/express';
import express from 'express';

/** The longest that Posthorn tries again. */
const RETRY_WINDOW_MS = 75 * 3_600_000;

/**
 * The application, apart from its port, so that the tests can have one of their own.
 *
 * @param {string} secret The endpoint's, `whsec_…`.
 * @param {(event: import('@posthorn/receiver').ReceivedEvent) => Promise<void> | void} handle
 */
export const createApp = (secret, handle) => {
  const app = express();
  // Above express.json(): a signature is over the bytes as they came.
  app.all(
    '/webhooks',
    webhooks({
      source: standardWebhooks(secret),
      dedup: { store: memoryDedup(), ttlMs: RETRY_WINDOW_MS },
      handle,
    }),
  );
  app.use(express.json());
  app.get('/', (_request, response) => void response.send('This is where your application goes.'));
  return app;
};
