import { nextFreeAddress } from './cli/free-address.ts';
import type { StopRequest } from './cli/signals.ts';
import type { ServerOptions, StartResult } from './server.ts';

/** The server, on the next free port when `mayMove`; null when a signal came first. */
export const startOn = async (
  options: ServerOptions,
  mayMove: boolean,
  stop: StopRequest,
): Promise<StartResult | null> => {
  const { startServer, listenProblem } = await import('./server.ts');
  const { listen: tryToListen } = await import('./api/listen.ts');
  const stopped = stop.asked.then(() => null);
  const wanted = options.config.listen;
  for (;;) {
    const listen = mayMove ? await nextFreeAddress(wanted) : wanted;
    // Before anything begins: a process that cannot serve must not take other processes' work.
    const trial = await tryToListen({ listen, tls: null, routes: [], fetch: async () => new Response() });
    if (trial.kind === 'failed')
      return { kind: 'failed', name: 'POSTHORN_LISTEN', problem: listenProblem(listen, trial) };
    await trial.server.close();
    const result = await Promise.race([
      startServer({ ...options, config: { ...options.config, listen } }),
      stopped,
    ]);
    if (result === null || result.kind === 'running' || !mayMove) return result;
    // Somebody may have taken it in between.
    if ((await nextFreeAddress(wanted)) === listen) return result;
  }
};
