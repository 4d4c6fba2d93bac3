// A relay in front of a database whose answers can be held back: what a client sends without having read them.
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { once } from 'node:events';

export type HeldReplies = {
  readonly url: string;
  readonly hold: () => void;
  readonly release: () => void;
  /** Waits until these texts have been sent, in this order, since the last `hold`. */
  readonly sent: (texts: readonly string[]) => Promise<void>;
  readonly close: () => Promise<void>;
};

const holds = (all: string, texts: readonly string[]): boolean => {
  let from = 0;
  for (const text of texts) {
    const at = all.indexOf(text, from);
    if (at === -1) return false;
    from = at + text.length;
  }
  return true;
};

export const holdReplies = async (databaseUrl: string): Promise<HeldReplies> => {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let seen = '';
  let onSent = (): void => {};
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
    client.on('data', (data) => {
      seen += data.toString('latin1');
      upstream.write(data);
      onSent();
    });
    upstream.pipe(client);
    client.on('close', () => upstream.destroy());
    sockets.add(upstream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    hold: () => {
      seen = '';
      for (const socket of sockets) socket.pause();
    },
    release: () => {
      for (const socket of sockets) socket.resume();
    },
    sent: (texts) =>
      new Promise((resolve) => {
        onSent = () => {
          if (holds(seen, texts)) resolve();
        };
        onSent();
      }),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};
