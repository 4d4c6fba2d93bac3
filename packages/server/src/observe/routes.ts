import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Metrics } from './metrics.ts';

export type OperatorRoutesDeps = {
  /** Whether work can be accepted now, and be delivered by this node or the others. */
  readonly isReady: () => Promise<boolean>;
  /** What whoever runs the server should know before it is no longer ready. */
  readonly warnings: () => readonly string[];
  readonly metrics: Pick<Metrics, 'render'>;
};

const send = (
  response: ServerResponse,
  status: number,
  body: string,
  contentType = 'application/json',
): void => {
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
  response.end(body);
};

/**
 * `GET /livez` (the process answers), `GET /readyz` (it can accept: the database and the heartbeat answer) and
 * `GET /metrics`, for orchestrators and monitoring. HEAD works too.
 */
export const createOperatorRoutes = (deps: OperatorRoutesDeps) => {
  const ready = async (response: ServerResponse): Promise<void> => {
    const isReady = await deps.isReady().catch(() => false);
    const warnings = deps.warnings();
    const status = isReady ? 'ready' : 'not ready';
    send(
      response,
      isReady ? 200 : 503,
      JSON.stringify(warnings.length === 0 ? { status } : { status, warnings }),
    );
  };
  const metrics = async (response: ServerResponse): Promise<void> => {
    const { body, contentType } = await deps.metrics.render();
    send(response, 200, body, contentType);
  };
  return (request: IncomingMessage, response: ServerResponse): boolean => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false;
    switch (request.url) {
      case '/livez':
        send(response, 200, JSON.stringify({ status: 'alive' }));
        return true;
      case '/readyz':
        void ready(response);
        return true;
      case '/metrics':
        metrics(response).catch(() => response.destroy());
        return true;
      default:
        return false;
    }
  };
};
