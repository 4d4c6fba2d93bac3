import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../../server/test/ports.ts';
import type { Stage } from './broker.ts';
import { maven } from './install.ts';
import { java } from './java.ts';

/** One broker of Apache Kafka that is its own controller. @returns its address */
export const startKafka = async (stage: Stage): Promise<string> => {
  const jars = await maven('org.apache.kafka', 'kafka_2.13', '3.9.1');
  const [port, controller] = [await freePort(), await freePort()];
  const properties = join(stage.directory, 'server.properties');
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': join(stage.directory, 'log'),
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
  };
  await writeFile(
    properties,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  const command = await java();
  const jvm = ['-Xmx384m', '-cp', `${jars}/*`];
  const id = randomBytes(16).toString('base64url');
  await stage.run({
    command,
    args: [...jvm, 'kafka.tools.StorageTool', 'format', '-t', id, '-c', properties],
  });
  stage.start({ command, args: [...jvm, 'kafka.Kafka', properties] });
  await stage.listening(port);
  return `127.0.0.1:${port}`;
};
