import { freePort } from '../../../server/test/ports.ts';
import type { Stage } from './broker.ts';
import { debian } from './install.ts';

export type Redis = { readonly port: number; readonly url: string };

export const startRedis = async (stage: Stage): Promise<Redis> => {
  const command = await debian('redis-server', '/usr/bin/redis-server', '/usr/local/bin/redis-server');
  const port = await freePort();
  const settings = { port, bind: '127.0.0.1', save: '', appendonly: 'no', 'maxmemory-policy': 'noeviction' };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  stage.start({ command, args: [...args, '--dir', stage.directory] });
  await stage.listening(port);
  return { port, url: `redis://127.0.0.1:${port}` };
};
