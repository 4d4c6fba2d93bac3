import { serve } from '@hono/node-server';
import { createApp } from './app.ts';

const secret = process.env['WEBHOOK_SECRET'];
if (!secret) throw new Error('Set WEBHOOK_SECRET to the secret of your endpoint (whsec_…).');

const app = createApp(secret, (event) => {
  console.log('handled', event.id, event.json());
});
serve({ fetch: app.fetch, port: Number(process.env['PORT'] ?? 3000) }, (address) => {
  console.log('listening', address);
});
