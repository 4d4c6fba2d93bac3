// Proxies for tests: one that does as told, and Debian's tinyproxy.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { debian } from '../../receiver/test/brokers/install.ts';
import { freePort } from './ports.ts';

export type TestProxy = {
  readonly url: string;
  /** The heads of all requests so far. */
  readonly heads: string[];
  readonly allClosed: () => Promise<void>;
};

/** What a proxy answers to a request; null: it opens the tunnel. */
type Say = (head: string) => string | Buffer | null;

/**
 * A proxy that takes CONNECT, wherever it is asked to go to the port of it on this machine.
 *
 * @param say What it answers instead of opening the tunnel.
 */
export const startProxy = async (say: Say = () => null, tls?: TlsOptions): Promise<TestProxy> => {
  const heads: string[] = [];
  const open = new Set<Socket>();
  let onClosed = (): void => {};
  const accept = (client: Socket): void => {
    open.add(client);
    client.on('error', () => {});
    client.on('close', () => {
      open.delete(client);
      if (open.size === 0) onClosed();
    });
    let text = '';
    const onData = (bytes: Buffer): void => {
      text += bytes.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      client.off('data', onData);
      heads.push(text);
      const answer = say(text);
      if (answer !== null) return void client.write(answer);
      const port = Number(/^CONNECT \S+:(\d+) HTTP/.exec(text)?.[1]);
      const upstream = connect(port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n');
        client.pipe(upstream).pipe(client);
      });
      upstream.on('error', () => client.destroy());
      upstream.on('close', () => client.destroy());
      client.on('close', () => upstream.destroy());
    };
    client.on('data', onData);
  };
  const server = tls === undefined ? createServer(accept) : createTlsServer(tls, accept);
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  const { port } = server.address() as { port: number };
  return {
    url: `${tls === undefined ? 'http' : 'https'}://localhost:${port}`,
    heads,
    allClosed: () =>
      open.size === 0 ? Promise.resolve() : new Promise((resolve) => void (onClosed = resolve)),
  };
};

/** Tinyproxy with a user and a password, which lets through CONNECT to the given ports. */
export const startTinyproxy = async (
  ports: readonly number[],
  at?: number,
): Promise<{ readonly port: number; readonly stop: () => Promise<void> }> => {
  const program = await debian('tinyproxy-bin', '/usr/bin/tinyproxy', '/usr/sbin/tinyproxy');
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-proxy-'));
  const port = at ?? (await freePort());
  const file = join(folder, 'tinyproxy.conf');
  await writeFile(
    file,
    [
      `Port ${port}`,
      'Listen 127.0.0.1',
      'Timeout 30',
      'MaxClients 20',
      'BasicAuth user p_word',
      `LogFile "${join(folder, 'log')}"`,
      ...ports.map((allowed) => `ConnectPort ${allowed}`),
      '',
    ].join('\n'),
  );
  const child = spawn(program, ['-d', '-c', file], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const isUp = (): Promise<boolean> =>
    new Promise((resolve) => {
      const probe = connect(port, '127.0.0.1', () => {
        probe.destroy();
        resolve(true);
      });
      probe.on('error', () => resolve(false));
    });
  while (!(await isUp())) {
    if (child.exitCode !== null) throw new Error(`tinyproxy ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const stop = async (): Promise<void> => {
    child.kill();
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  onTestFinished(stop);
  return { port, stop };
};
