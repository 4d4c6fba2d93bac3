import { freePort } from '../../../server/test/ports.ts';
import { type Stage, until } from './broker.ts';
import { maven } from './install.ts';
import { java } from './java.ts';

/** ElasticMQ, which speaks SQS. @returns its endpoint */
export const startElasticMq = async (stage: Stage): Promise<string> => {
  const jars = await maven('org.elasticmq', 'elasticmq-server_2.13', '1.7.1');
  const [port, statistics] = [await freePort(), await freePort()];
  stage.start({
    command: await java(),
    args: [
      '-Xmx128m',
      `-Drest-sqs.bind-port=${port}`,
      `-Dnode-address.port=${port}`,
      `-Drest-stats.bind-port=${statistics}`,
      '-cp',
      `${jars}/*`,
      'org.elasticmq.server.Main',
    ],
  });
  const url = `http://127.0.0.1:${port}`;
  await until(() => fetch(url));
  return url;
};
