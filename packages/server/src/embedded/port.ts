import { connect, createServer } from 'node:net';

const HOST = '127.0.0.1';
/** SSLRequest: length 8, code 80877103 (PostgreSQL documentation, Message Formats). */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
const NEIGHBOURS = 50;
/** Below the range that systems give to outgoing connections, which would make it busy at random. */
export const DEFAULT_PORT = 15_432;

/** Whether a PostgreSQL on loopback answers at this port within `timeoutMs`. Opens no session and logs nothing there. */
export const answers = (port: number, timeoutMs: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: HOST, port });
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(timeoutMs, () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('close', () => finish(false));
    socket.once('connect', () => socket.write(SSL_REQUEST));
    socket.once('data', (data) => finish(data[0] === 0x4e || data[0] === 0x53));
  });

/** Tries to listen on loopback; port 0 asks for any. The port found, or undefined when it is taken. */
const tryPort = (port: number): Promise<number | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ host: HOST, port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });

/**
 * Free loopback ports, best first: the wanted ones, the next fifty after the last of them, then whichever
 * the system gives. Another process may take one between this check and its use; then ask for the next.
 */
export async function* freePorts(wanted: readonly number[]): AsyncGenerator<number> {
  const last = wanted.at(-1) ?? DEFAULT_PORT;
  const neighbours = Array.from({ length: NEIGHBOURS }, (_, step) => last + 1 + step).filter(
    (port) => port < 65_536,
  );
  for (const port of new Set([...wanted, ...neighbours])) {
    const free = await tryPort(port);
    if (free !== undefined) yield free;
  }
  for (;;) {
    const free = await tryPort(0);
    if (free === undefined) return;
    yield free;
  }
}
