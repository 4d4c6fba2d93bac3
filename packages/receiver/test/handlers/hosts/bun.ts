import { webhooks } from '../../../src/handlers/index.ts';
import { app } from '../app.ts';

declare const Bun: {
  serve(options: { port: number; hostname: string; fetch: ReturnType<typeof webhooks> }): unknown;
};

Bun.serve({ hostname: '127.0.0.1', port: Number(process.argv[2]), fetch: webhooks(app()) });
