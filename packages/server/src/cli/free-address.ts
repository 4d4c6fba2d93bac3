import { createServer } from 'node:net';

const TRIES = 100;

/** Null: it can be listened on. Otherwise the error's code. */
const tryToListen = (host: string, port: number): Promise<string | null> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });

/**
 * The address itself, or the same host with the next free port above it.
 *
 * The address comes back unchanged when it cannot be used for another reason than that somebody
 * listens there: whoever listens on it then can say why.
 *
 * @param address `host:port`, the host an IPv4 address or a name.
 */
export const nextFreeAddress = async (address: string): Promise<string> => {
  const [host = '', firstPort = ''] = address.split(/:(?=\d+$)/);
  for (let port = Number(firstPort); port < Number(firstPort) + TRIES && port <= 65_535; port += 1) {
    const failure = await tryToListen(host, port);
    if (failure === null) return `${host}:${port}`;
    if (failure !== 'EADDRINUSE') return address;
  }
  return address;
};
