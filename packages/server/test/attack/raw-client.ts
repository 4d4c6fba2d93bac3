import { connect } from 'node:net';

/** A client that sends exactly these bytes, as slowly as the test likes. */
export type RawClient = {
  readonly send: (text: string | Uint8Array) => void;
  /** Everything received so far. */
  readonly received: () => string;
  /** Resolves with all that was received when it matches; rejects when the server closes before. */
  readonly until: (pattern: RegExp) => Promise<string>;
  readonly close: () => void;
};

export const rawClient = async (url: string): Promise<RawClient> => {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  let text = '';
  let isClosed = false;
  let look = (): void => {};
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    look();
  });
  // A reset shows as the end that follows it.
  socket.on('error', () => {});
  socket.on('close', () => {
    isClosed = true;
    look();
  });
  return {
    send: (bytes) => void socket.write(bytes),
    received: () => text,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        look = () => {
          if (pattern.test(text)) resolve(text);
          else if (isClosed) reject(new Error(`closed after ${JSON.stringify(text)}`));
        };
        look();
      }),
    close: () => socket.destroy(),
  };
};
