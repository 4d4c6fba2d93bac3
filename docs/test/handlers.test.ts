// docs/receiver/handlers.md and observability.md: their receivers are made as they stand there and asked.
import { createServer, type Server } from 'node:http';
import { sign } from '@posthorn/receiver';
import type { Receiver } from '@posthorn/receiver/handler';
import { STRIPE, signHmac } from '@posthorn/receiver/presets';
import type { counters } from '@posthorn/receiver/seen';
import { afterAll, beforeAll, expect, vi } from 'vitest';
import { close, listen } from '../../packages/receiver/test/handlers/hosts/http.ts';
import { evaluate } from './evaluate.ts';
import { describePage } from './page.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

beforeAll(() => {
  vi.stubEnv('WEBHOOK_SECRET', SECRET);
  vi.stubEnv('GITHUB_SECRET', 'github');
  vi.stubEnv('STRIPE_SECRET', 'whsec_stripe');
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
});
afterAll(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const ask = async (
  receiver: unknown,
  path: string,
  headers: Record<string, string>,
  body: string,
): Promise<{ status: number; body: unknown }> => {
  const bytes = new TextEncoder().encode(body);
  const answer = await (receiver as Receiver).receive({
    method: 'POST',
    url: `https://example.com${path}`,
    headers,
    read: async () => ({ kind: 'bytes', bytes }),
  });
  return { status: answer.status, body: JSON.parse(answer.body) };
};

describePage('docs/receiver/handlers.md', {
  'schema: z.looseObject': async (text) => {
    const { receiver } = await evaluate(text, {}, ['receiver']);
    const good = '{"id":"evt_1"}';
    const headers = await signHmac(STRIPE, 'whsec_stripe', good);
    const processed = { status: 200, body: { status: 'processed', id: 'evt_1' } };
    expect(await ask(receiver, '/webhooks/stripe', headers, good)).toEqual(processed);
    expect(await ask(receiver, '/webhooks/stripe', headers, good)).toMatchObject({
      body: { status: 'duplicate' },
    });
    expect(await ask(receiver, '/webhooks/stripe', { ...headers, 'x-resend': 'yes' }, good)).toEqual(
      processed,
    );
    expect(await ask(receiver, '/webhooks/github', headers, good)).toMatchObject({ status: 400 });
    const bad = '{"id":7}';
    expect(
      await ask(receiver, '/webhooks/stripe', await signHmac(STRIPE, 'whsec_stripe', bad), bad),
    ).toMatchObject({ status: 422, body: { field: 'id' } });
  },
});

describePage('docs/receiver/observability.md', {
  'counters()': async (text) => {
    const { server, read } = await evaluate(text, { createServer }, ['server', 'read']);
    const port = await listen(server as Server);
    const url = `http://127.0.0.1:${port}/`;
    await fetch(url, { method: 'POST', headers: await sign('{}', SECRET, { id: 'msg_1' }), body: '{}' });
    await fetch(url, { method: 'POST', headers: await sign('{}', SECRET, { id: 'msg_2' }), body: '{ }' });
    await close(server as Server);
    expect((read as ReturnType<typeof counters>['read'])()).toMatchObject({
      'standard-webhooks': { received: 2, rejected: { signature_mismatch: 1 }, processed: 1 },
    });
  },

  openTelemetry: async (text) => {
    const own = text.replace(/^import \* as api .*$/m, '');
    const api = await import('@opentelemetry/api');
    const { receiver } = await evaluate(own, { api }, ['receiver']);
    const headers = await sign('{}', SECRET, { id: 'msg_1' });
    expect(await ask(receiver, '/', headers, '{}')).toMatchObject({ status: 200 });
  },
});
