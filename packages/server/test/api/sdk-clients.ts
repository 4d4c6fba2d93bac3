// The official SDKs, unchanged, against the API on a listening socket.
import { afterAll, beforeAll } from 'vitest';
import { Svix } from 'svix';
import { listen } from '../../src/api/listen.ts';
import type { Listening } from '../../src/api/listen.ts';
import type { Harness } from './harness.ts';

/** A function that makes the SDK's client for a token; by default for the harness's organisation. */
export const useSvix = (harness: Harness): ((token?: string) => Svix) => {
  let server: Listening;
  beforeAll(async () => {
    const listening = await listen({
      listen: '127.0.0.1:0',
      tls: null,
      routes: [],
      fetch: (request) => harness.api.fetch(request),
    });
    if (listening.kind === 'failed') throw new Error(listening.message);
    server = listening.server;
  });
  afterAll(async () => {
    server?.destroy();
    await server?.close();
  });
  return (token) => new Svix(token ?? harness.token, { serverUrl: `http://127.0.0.1:${server.port}` });
};

/** Code and body of what a call is refused with. */
export const refusalOf = async (work: Promise<unknown>): Promise<{ code: number; body: unknown }> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason as { code: number; body: unknown },
  );
  if (error === undefined) throw new Error('it was not refused');
  return { code: error.code, body: error.body };
};
