import { webhooks } from '../../../src/handlers/index.ts';
import { app } from '../app.ts';

declare const Deno: {
  readonly args: readonly string[];
  serve(options: { port: number; hostname: string }, fetch: ReturnType<typeof webhooks>): unknown;
};

Deno.serve({ hostname: '127.0.0.1', port: Number(Deno.args[0]) }, webhooks(app()));
