// The packed package on every runtime that it is for.
import { execFile } from 'node:child_process';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, expect, it, type TestContext } from 'vitest';
import { npm } from '../handlers/hosts/npm.ts';
import { pack, type Packed } from './packed.ts';

const run = promisify(execFile);
const CPU = process.arch === 'arm64' ? 'arm64' : 'x64';
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const conformance = async (name: string): Promise<unknown> =>
  JSON.parse(await readFile(here(`../../../../conformance/${name}`), 'utf8')) as unknown;

/** A token and its key as text for each algorithm, as another library makes them. */
const tokens = async (): Promise<object[]> => {
  const claims = { exp: Math.floor(Date.now() / 1_000) + 3_600 };
  const secret = 'a secret of thirty-two bytes, ok';
  const shared = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(secret));
  const all: object[] = [{ name: 'HS256', token: shared, keys: { secret } }];
  for (const algorithm of ['RS256', 'ES256', 'EdDSA']) {
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
    const token = await new SignJWT(claims).setProtectedHeader({ alg: algorithm }).sign(privateKey);
    all.push({ name: `${algorithm} JWK`, token, keys: { jwks: [await exportJWK(publicKey)] } });
    all.push({ name: `${algorithm} PEM`, token, keys: { pem: await exportSPKI(publicKey), algorithm } });
  }
  return all;
};

let packed: Packed;
let main: string;
beforeAll(async () => {
  packed = await pack();
  const data = {
    signature: await conformance('signature.json'),
    senders: await conformance('presets.json'),
    tokens: await tokens(),
  };
  main = join(packed.folder, 'main.js');
  await copyFile(here('program.js'), join(packed.folder, 'program.js'));
  await writeFile(join(packed.folder, 'data.js'), `export default ${JSON.stringify(data)};`);
  await writeFile(
    main,
    `import data from './data.js';
import { run } from './program.js';
console.log(JSON.stringify(await run(data)));`,
  );
});
afterAll(() => packed.remove());

/** The names of what failed, of what the program printed. */
const failures = (printed: string): readonly string[] => {
  const { tried, failed } = JSON.parse(printed) as {
    readonly tried: number;
    readonly failed: readonly string[];
  };
  return tried > 230 ? failed : [`only ${tried} were tried`];
};

/** The program of a package; where it cannot be had the test is skipped, except in CI. */
const binary = async (
  { skip }: TestContext,
  name: string,
  version: string,
  path: string,
): Promise<string> => {
  const folder = await npm(`${name}@${version}`).catch((error: unknown) => {
    if (process.env['CI'] === 'true') throw error;
    return skip(`${name}@${version} cannot be installed: ${String(error)}`);
  });
  return join(folder, 'node_modules', name, path);
};
const nodeOf = (test: TestContext, version: string): Promise<string> =>
  binary(test, `node-linux-${CPU}`, version, 'bin/node');

it.for(['20.0.0', '20.20.2', '22.23.3', '24.21.0', '26.10.0'])('Node %s', async (version, test) => {
  const { stdout, stderr } = await run(await nodeOf(test, version), [main]);
  expect(failures(stdout)).toEqual([]);
  expect(stderr.replace(/^.*(ExperimentalWarning: The Ed25519|node --trace-warnings).*\n/gm, '')).toBe('');
});

it.for(['20.20.2', '22.23.3', '24.21.0', '26.10.0'])('Node %s by require', async (version, test) => {
  const code = `require('@posthorn/receiver').sign('x', 'whsec_AAAA', { id: 'a' }).then((headers) => console.log(headers['webhook-id']))`;
  const program = join(packed.folder, 'program.cjs');
  await writeFile(program, code);
  const { stdout } = await run(await nodeOf(test, version), [program]);
  expect(stdout).toBe('a\n');
});

it('Bun', async (test) => {
  const name = CPU === 'arm64' ? '@oven/bun-linux-aarch64' : '@oven/bun-linux-x64';
  const bun = await binary(test, name, '1.4.5', 'bin/bun');
  const { stdout } = await run(bun, [main]);
  expect(failures(stdout)).toEqual([]);
});

it('Deno', async (test) => {
  const name = `@deno/linux-${CPU}-glibc` as const;
  const deno = await binary(test, name, '2.9.6', 'deno');
  const env = {
    ...process.env,
    DENO_DIR: join(packed.folder, '.deno'),
    DENO_NO_UPDATE_CHECK: '1',
    NO_COLOR: '1',
  };
  const { stdout } = await run(deno, ['run', '--node-modules-dir=manual', '--no-prompt', main], { env });
  expect(failures(stdout)).toEqual([]);
});

it('Workers', async (test) => {
  const name = CPU === 'arm64' ? '@cloudflare/workerd-linux-arm64' : '@cloudflare/workerd-linux-64';
  const workerd = await binary(test, name, '1.20261117.1', 'bin/workerd');
  const entry = join(packed.folder, 'worker.js');
  await writeFile(
    entry,
    `import data from './data.js';
import { run } from './program.js';
export default { test: async () => console.log(JSON.stringify(await run(data))) };`,
  );
  const bundle = await rolldown({ input: entry, logLevel: 'silent' });
  await bundle.write({ file: join(packed.folder, 'bundle.js') });
  await bundle.close();
  const config = join(packed.folder, 'config.capnp');
  await writeFile(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "main", worker = (
  compatibilityDate = "2025-09-01", modules = [(name = "main", esModule = embed "bundle.js")]))]);`,
  );
  const { stdout, stderr } = await run(workerd, ['test', config]);
  const printed = /^\{"tried".*\}$/m.exec(stdout + stderr)?.[0];
  expect(failures(printed ?? expect.fail(stdout + stderr))).toEqual([]);
});
