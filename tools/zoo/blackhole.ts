import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

/** An address that no connection is made to: its SYNs are never answered. Linux. */
export type Blackhole = { readonly port: number; readonly close: () => Promise<void> };

/** Listens, and then never accepts: its thread stands still. */
const STANDS_STILL = `
const { parentPort, workerData } = require('node:worker_threads');
const server = require('node:net').createServer();
server.listen({ host: workerData.address, port: workerData.port, backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
});`;

const SETTLED_MS = 250;
const MOST_FILLERS = 20;

/**
 * The queue of connections that wait to be accepted is filled; the kernel then drops whoever knocks.
 */
export const openBlackhole = async (address = '127.0.0.1', port = 0): Promise<Blackhole> => {
  const worker = new Worker(STANDS_STILL, { eval: true, workerData: { address, port } });
  const bound = await new Promise<number>((resolve, reject) =>
    worker.once('message', resolve).once('error', reject),
  );
  const fillers: Socket[] = [];
  const knock = async (): Promise<boolean> => {
    const socket = connect(bound, address);
    fillers.push(socket);
    socket.on('error', () => {});
    const connected = new Promise<boolean>((resolve) => socket.once('connect', () => resolve(true)));
    return Promise.race([connected, wait(SETTLED_MS, false)]);
  };
  let knocks = 0;
  while ((await knock()) && ++knocks < MOST_FILLERS);
  return {
    port: bound,
    close: async () => {
      for (const socket of fillers) socket.destroy();
      await worker.terminate();
    },
  };
};
