import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';

const given = new Set<number>();

/** Listens on a loopback port; null when somebody else does. */
export const occupy = (port: number): Promise<(() => Promise<void>) | null> =>
  new Promise((resolve) => {
    const server: Server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () =>
      resolve(() => new Promise<void>((closed) => server.close(() => closed()))),
    );
  });

/**
 * A loopback port that is free now and stays free over the restarts of who uses it: it lies below
 * those that systems give to outgoing connections by themselves, and no test file gets it twice.
 */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = randomInt(20_000, 30_000);
    if (given.has(port)) continue;
    given.add(port);
    const release = await occupy(port);
    if (release === null) continue;
    await release();
    return port;
  }
};
