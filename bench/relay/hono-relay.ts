/**
 * The same relay on the stack that Posthorn's API is written in: hono in front,
 * undici behind, written as one would without looking at a profile. Printed
 * beside the reference, because a slow relay would flatter the durable pipeline.
 */
import { createHmac } from 'node:crypto';
import { serve as listen } from '@hono/node-server';
import { Hono } from 'hono';
import { Pool } from 'undici';
import type { RelayCounters, RelayOptions } from './reference-relay.ts';
import { serve } from '../shared/worker.ts';

interface MessageIn {
  readonly eventType: string;
  readonly payload: Record<string, unknown>;
}

const options = JSON.parse(process.argv[2] ?? '{}') as RelayOptions;
const target = new URL(options.target);
const key = Buffer.from(options.secret.replace(/^whsec_/, ''), 'base64');
const pool = new Pool(target.origin, {
  connections: options.connections,
  pipelining: 1,
  allowH2: false,
});

let delivered = 0;
let failed = 0;
let outstanding = 0;
let lastId = 0;
const held: (() => void)[] = [];

function finish(): void {
  outstanding--;
  if (held.length > 0 && outstanding < options.outstanding) held.shift()?.();
}

function relay(message: MessageIn): string {
  const id = `msg_${(++lastId).toString(36)}`;
  const timestamp = String(Math.floor(Date.now() / 1000));
  const body = JSON.stringify(message.payload);
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  outstanding++;
  pool
    .request({
      path: target.pathname,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      },
      body,
    })
    .then(async (answer) => {
      await answer.body.dump();
      if (answer.statusCode < 300) delivered++;
      else failed++;
    })
    .catch(() => failed++)
    .finally(finish)
    .catch(() => undefined);
  return id;
}

async function room(): Promise<void> {
  if (outstanding >= options.outstanding) {
    await new Promise<void>((resolve) => {
      held.push(resolve);
    });
  }
}

const app = new Hono();
app.post('/api/v1/app/:app/msg', async (context) => {
  const message = await context.req.json<MessageIn>();
  const id = relay(message);
  await room();
  return context.json({ id, eventType: message.eventType }, 202);
});
app.post('/api/v1/app/:app/msg/batch', async (context) => {
  const { messages } = await context.req.json<{ messages: MessageIn[] }>();
  const ids = messages.map(relay);
  await room();
  return context.json({ ids }, 202);
});

listen({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => {
  serve(port, { counters: (): RelayCounters => ({ delivered, failed, outstanding }) });
});
