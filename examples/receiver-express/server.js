import { createApp } from './app.js';

const secret = process.env['WEBHOOK_SECRET'];
if (!secret) throw new Error('Set WEBHOOK_SECRET to the secret of your endpoint (whsec_…).');

const app = createApp(secret, (event) => {
  console.log('handled', event.id, event.json());
});
const server = app.listen(Number(process.env['PORT'] ?? 3000), () => {
  console.log('listening', server.address());
});
