import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Connection } from './connection.ts';

export type Posted =
  | { readonly kind: 'answered'; readonly status: number; readonly body: string; readonly durationMs: number }
  | { readonly kind: 'failed'; readonly why: string };

/** Posts messages over connections that stay open, as cheaply as Node can: for loads. */
export type Poster = {
  /** Never rejects. */
  readonly post: (body: string) => Promise<Posted>;
  readonly close: () => void;
};

const TIMEOUT_MS = 30_000;

export const createPoster = (
  { url, token }: Pick<Connection, 'url' | 'token'>,
  app: string,
  connections: number,
  monotonicMs: () => number,
): Poster => {
  const isTls = url.startsWith('https:');
  const settings = { keepAlive: true, maxSockets: connections };
  const agent = isTls ? new HttpsAgent(settings) : new HttpAgent(settings);
  const target = new URL(`${url}/api/v1/app/${app}/msg`);
  const post: Poster['post'] = (body) =>
    new Promise((resolve) => {
      const startedMs = monotonicMs();
      const fail = (error: Error & { code?: string }): void =>
        resolve({ kind: 'failed', why: error.code ?? error.message });
      const request = (isTls ? httpsRequest : httpRequest)(
        target,
        {
          method: 'POST',
          agent,
          timeout: TIMEOUT_MS,
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
          },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          response.on('error', fail);
          response.on('end', () =>
            resolve({
              kind: 'answered',
              status: response.statusCode ?? 0,
              body: text,
              durationMs: monotonicMs() - startedMs,
            }),
          );
        },
      );
      request.on('timeout', () => request.destroy(new Error('timeout')));
      request.on('error', fail);
      request.end(body);
    });
  return { post, close: () => agent.destroy() };
};

/** How many of each; what was refused or failed. */
export const tally = (counts: Record<string, number>, key: string): void => {
  counts[key] = (counts[key] ?? 0) + 1;
};
