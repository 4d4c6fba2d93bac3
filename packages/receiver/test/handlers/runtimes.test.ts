import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';
import { freePort } from '../../../server/test/ports.ts';
import { broker, type Stage } from '../brokers/broker.ts';
import { contract } from './contract.ts';
import { overHttp } from './hosts/http.ts';
import { modulesOf } from './hosts/modules.ts';
import { npm } from './hosts/npm.ts';

const file = (name: string): string => fileURLToPath(new URL(`./hosts/${name}`, import.meta.url));
const arm = process.arch === 'arm64';

const starting = (name: string, program: (stage: Stage, port: number) => Promise<void>) =>
  broker(name, async (stage) => {
    const port = await freePort();
    await program(stage, port);
    await stage.listening(port);
    return port;
  });

const bun = await starting('Bun', async (stage, port) => {
  const name = arm ? '@oven/bun-linux-aarch64' : '@oven/bun-linux-x64';
  const command = join(await npm(`${name}@1.4.5`), 'node_modules', name, 'bin/bun');
  stage.start({ command, args: [file('bun.ts'), String(port)] });
});

const deno = await starting('Deno', async (stage, port) => {
  const name = arm ? '@deno/linux-arm64-glibc' : '@deno/linux-x64-glibc';
  const command = join(await npm(`${name}@2.9.6`), 'node_modules', name, 'deno');
  const args = ['run', '--no-config', '--allow-net=127.0.0.1', file('deno.ts'), String(port)];
  stage.start({ command, args, env: { DENO_DIR: stage.directory, DENO_NO_UPDATE_CHECK: '1' } });
});

const workerd = await starting('workerd', async (stage, port) => {
  const name = arm ? '@cloudflare/workerd-linux-arm64' : '@cloudflare/workerd-linux-64';
  const command = join(await npm(`${name}@1.20261117.1`), 'node_modules', name, 'bin/workerd');
  const modules = await modulesOf('test/handlers/hosts/worker.ts');
  const list: string[] = [];
  for (const [path, code] of modules) {
    await mkdir(dirname(join(stage.directory, path)), { recursive: true });
    await writeFile(join(stage.directory, path), code);
    list.push(`(name = ${JSON.stringify(path)}, esModule = embed ${JSON.stringify(path)})`);
  }
  await writeFile(
    join(stage.directory, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (compatibilityDate = "2025-09-01", modules = [${list.join(', ')}]))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);`,
  );
  stage.start({ command, args: ['serve', 'config.capnp'] });
});

const functions = await starting('functions-framework', async (stage, port) => {
  const main = fileURLToPath(import.meta.resolve('@google-cloud/functions-framework'));
  const args = [join(dirname(main), 'main.js'), '--target=webhooks', `--source=${file('cloud-function.ts')}`];
  stage.start({ command: process.execPath, args: [...args, `--port=${port}`] });
});

const azure = await starting('Azure Functions', async (stage, port) => {
  stage.start({ command: process.execPath, args: [file('azure.ts'), String(port)] });
});

describe.skipIf(bun === null)('bun', () => contract(overHttp(() => bun ?? 0)));
describe.skipIf(deno === null)('deno', () => contract(overHttp(() => deno ?? 0)));
describe.skipIf(workerd === null)('workerd', () => contract(overHttp(() => workerd ?? 0)));
describe.skipIf(functions === null)('functions-framework', () => contract(overHttp(() => functions ?? 0)));
describe.skipIf(azure === null)('azure functions', () =>
  contract(
    overHttp(() => azure ?? 0),
    { joinsHeaders: true },
  ),
);
