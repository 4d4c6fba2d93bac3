import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { ExitCode } from './cli/output.ts';
import { superviseWorkers } from './cli/workers.ts';
import type { Clock, Random } from './clock.ts';
import type { Config } from './config.ts';
import type { Logger } from './observe/log.ts';
import { forgetNode } from './store/forget-node.ts';
import { openDatabase } from './store/postgres.ts';

const program = fileURLToPath(new URL('../bin/posthorn.js', import.meta.url));

/** `posthorn start --workers`: a pool of servers until this process is asked to end. */
export const runPool = async (pool: {
  readonly config: Config;
  readonly count: number;
  readonly databaseUrl: string;
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Logger;
  /** Hands over what a wish to reload is to do. */
  readonly onReload: (reload: () => void) => void;
  /** Resolves with the signal that ends the pool; rejects when it has no database any more. */
  readonly end: Promise<NodeJS.Signals>;
  readonly version: string;
}): Promise<ExitCode> => {
  const { config, random, clock, log } = pool;
  const timeoutMs = config.statementTimeout * 1000;
  const database = openDatabase({
    url: pool.databaseUrl,
    applicationName: 'posthorn supervisor',
    size: 1,
    statementTimeoutMs: timeoutMs,
    lockTimeoutMs: timeoutMs,
    connectTimeoutMs: timeoutMs,
    plans: 'standard',
    onConnectionLost: () => {},
  });
  const name = config.nodeName ?? `${hostname()}:${process.pid}`;
  const workers = superviseWorkers({
    count: pool.count,
    program,
    // A number of its own for each: a new worker comes before its predecessor has gone.
    taskOf: (number) => ({
      node: { id: random.uuid(), name: `${name}/${number}` },
      databaseUrl: pool.databaseUrl,
    }),
    onDeath: (nodeId) =>
      forgetNode(database, nodeId).catch((error: unknown) => {
        log.warn({ error: String(error) }, 'what a worker held is free only when its lease ends');
      }),
    graceMs: config.grace * 1000,
    monotonicMs: clock.monotonicMs,
    log: (level, fields, text) => log[level](fields, text),
  });
  pool.onReload(() => {
    log.info('reloading');
    void workers.reload();
  });
  void workers.ready.then((url) => {
    log.info({ url, version: pool.version, workers: pool.count }, 'the pool is ready');
  });
  try {
    const ended = await Promise.race([pool.end, workers.refused]);
    if (typeof ended === 'number') return ended;
    log.info({ signal: ended }, 'the pool is stopping');
    return 0;
  } finally {
    await workers.stop();
    await database.close();
    log.info('the pool has stopped');
  }
};
