// Many connections of one process, all alike.
import { connect } from 'node:net';

export type Crowd = {
  readonly hostname: string;
  readonly port: number;
  readonly count: number;
  /** On each connection, at its start. */
  readonly send: string;
  /** Then a byte so often; null: never. */
  readonly everyMs: number | null;
  /** Reads nothing. */
  readonly deaf?: boolean;
};

export type CrowdTold = {
  readonly open: number;
  readonly closed: number;
  /** How many connections were answered with which status. */
  readonly answers: Readonly<Record<string, number>>;
  readonly error: string | null;
};

const TOGETHER = 200;

const gather = async ({ hostname, port, count, send, everyMs, deaf }: Crowd): Promise<void> => {
  let [opened, closed] = [0, 0];
  const answers: Record<string, number> = {};
  let error: string | null = null;
  const tell = (): void =>
    void process.send?.({ open: opened - closed, closed, answers, error } satisfies CrowdTold);
  const join = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(port, hostname);
      let timer: NodeJS.Timeout | undefined;
      socket.once('connect', () => {
        opened++;
        socket.write(send);
        if (everyMs !== null) timer = setInterval(() => socket.write('x'), everyMs);
        resolve();
      });
      if (deaf === true) socket.pause();
      else
        socket.once('data', (bytes: Buffer) => {
          const status = /^HTTP\/1\.1 (\d{3})/.exec(bytes.toString('latin1'))?.[1] ?? 'none';
          answers[status] = (answers[status] ?? 0) + 1;
        });
      socket.on('error', (failure: NodeJS.ErrnoException) => {
        // The machine's own limits are no answer of the server.
        if (['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ECONNREFUSED'].includes(failure.code ?? ''))
          error = failure.message;
        resolve();
      });
      socket.once('close', () => {
        closed++;
        clearInterval(timer);
      });
    });
  for (let joined = 0; joined < count && error === null; joined += TOGETHER)
    await Promise.all(Array.from({ length: Math.min(TOGETHER, count - joined) }, join));
  tell();
  setInterval(tell, 100);
};

process.once('message', (crowd: Crowd) => void gather(crowd));
