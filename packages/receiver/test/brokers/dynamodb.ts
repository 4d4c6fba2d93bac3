import { freePort } from '../../../server/test/ports.ts';
import type { Stage } from './broker.ts';
import { maven } from './install.ts';
import { java } from './java.ts';

/** Amazon's DynamoDB Local, in memory. @returns its endpoint */
export const startDynamo = async (stage: Stage): Promise<string> => {
  const jars = await maven('com.amazonaws', 'DynamoDBLocal', '2.6.1');
  const port = await freePort();
  stage.start({
    command: await java(),
    args: [
      '-Xmx256m',
      `-Dsqlite4java.library.path=${jars}`,
      '-cp',
      `${jars}/*`,
      'com.amazonaws.services.dynamodbv2.local.main.ServerRunner',
      '-inMemory',
      '-disableTelemetry',
      '-port',
      String(port),
    ],
  });
  await stage.listening(port);
  return `http://127.0.0.1:${port}`;
};
