import type { Logger } from './log.ts';

/** Endpoints whose secrets do not open here: told of once each, counted as long as the process runs. */
export const watchUnreadable = (log: Pick<Logger, 'error'>) => {
  const endpoints = new Set<string>();
  return {
    count: (): number => endpoints.size,
    found: (endpoint: string, why: string): void => {
      if (endpoints.has(endpoint)) return;
      endpoints.add(endpoint);
      log.error(
        { endpoint, why },
        'the secrets of an endpoint cannot be read; its deliveries wait. Add the main secret that they were sealed with to POSTHORN_MAIN_SECRET_OLD, or restore its row, and restart',
      );
    },
  };
};
