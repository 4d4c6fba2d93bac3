import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../../server/test/ports.ts';
import type { Stage } from './broker.ts';
import { debian } from './install.ts';

/** @returns its URL */
export const startRabbit = async (stage: Stage): Promise<string> => {
  const command = await debian('rabbitmq-server', '/usr/lib/rabbitmq/bin/rabbitmq-server');
  const [port, distribution, mapper] = [await freePort(), await freePort(), await freePort()];
  const at = (name: string): string => join(stage.directory, name);
  await writeFile(at('enabled_plugins'), '[].\n');
  await writeFile(at('rabbitmq.conf'), `listeners.tcp.1 = 127.0.0.1:${port}\n`);
  // Started here, or the server would leave one behind.
  stage.start({ command: '/usr/bin/epmd', args: ['-port', String(mapper), '-address', '127.0.0.1'] });
  await stage.listening(mapper);
  stage.start({
    command,
    args: [],
    env: {
      HOME: stage.directory,
      ERL_EPMD_PORT: String(mapper),
      RABBITMQ_NODENAME: `test${port}@localhost`,
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(distribution),
      RABBITMQ_MNESIA_BASE: at('mnesia'),
      RABBITMQ_LOG_BASE: at('log'),
      RABBITMQ_LOGS: '-',
      RABBITMQ_PID_FILE: at('pid'),
      RABBITMQ_CONFIG_FILE: at('rabbitmq'),
      RABBITMQ_ENABLED_PLUGINS_FILE: at('enabled_plugins'),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    },
  });
  await stage.listening(port);
  return `amqp://guest:guest@127.0.0.1:${port}`;
};
