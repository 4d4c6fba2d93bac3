import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { freePort } from '../../../server/test/ports.ts';
import { broker } from '../brokers/broker.ts';
import { contract } from './contract.ts';
import { overHttp } from './hosts/http.ts';
import { modulesOf } from './hosts/modules.ts';
import { npm } from './hosts/npm.ts';

const NEXT = '16.4.6';
const SWC = `@next/swc-linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}-gnu` as const;
const ROUTE = 'test/handlers/hosts/next-route.ts';

const port = await broker('Next', async (stage) => {
  const packages = await npm(`next@${NEXT}`, 'react@19.3.1', 'react-dom@19.3.1', `${SWC}@${NEXT}`);
  // Beside its node_modules, where a bundler expects an application.
  const application = join(packages, `application-${randomUUID()}`);
  afterAll(() => rm(application, { recursive: true, force: true, maxRetries: 3 }));
  const write = async (path: string, code: string): Promise<void> => {
    await mkdir(dirname(join(application, path)), { recursive: true });
    await writeFile(join(application, path), code);
  };
  for (const [path, code] of await modulesOf(ROUTE))
    await write(path.replace(/ts$/, 'js'), code.replace(/(from '\.[^']+)\.ts'/g, "$1.js'"));
  await write('package.json', '{ "private": true, "type": "module" }');
  await write('next.config.js', `export default { turbopack: { root: ${JSON.stringify(packages)} } };`);
  await write('app/layout.js', 'export default ({ children }) => children;');
  await write(
    'app/webhooks/[source]/route.js',
    `export { GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS } from '../../../${ROUTE.replace(/ts$/, 'js')}';
export const dynamic = 'force-dynamic';`,
  );
  const free = await freePort();
  const bin = join(packages, 'node_modules/next/dist/bin/next');
  const env = { NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' };
  const next = (...args: string[]) => ({ command: process.execPath, args: [bin, ...args, application], env });
  await stage.run(next('build'));
  stage.start(next('start', '--port', String(free), '--hostname', '127.0.0.1'));
  await stage.listening(free);
  return free;
});

describe.skipIf(port === null)('next', () => contract(overHttp(() => port ?? 0)));
