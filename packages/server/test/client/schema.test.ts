// The client's types are generated from the OpenAPI document; here they are held to be up to date.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { npm } from '../../../receiver/test/handlers/hosts/npm.ts';
import { operationsOf, readDocument } from '../api/document.ts';
import type { Document, Operation } from '../api/document.ts';
import { useApi } from '../api/harness.ts';

const harness = useApi();
const file = fileURLToPath(new URL('../../src/client/schema.ts', import.meta.url));
const oxfmt = fileURLToPath(new URL('../../../../node_modules/.bin/oxfmt', import.meta.url));

/** Beyond the Svix API although it answers as that does. */
const ALSO = ['v1.message.create-batch'];

const ours = (document: Document): readonly Operation[] =>
  operationsOf(document).filter((one) => one['x-posthorn'] === true || ALSO.includes(one.operationId));

type Responses = Operation['responses'];
const successes = (responses: Responses): Responses =>
  Object.fromEntries(Object.entries(responses).filter(([status]) => status.startsWith('2')));

/** The document without what the client has no use for. */
const reduced = (document: Document): unknown => {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const { method, path, parameters = [], ...operation } of ours(document)) {
    paths[path] = {
      ...paths[path],
      [method.toLowerCase()]: {
        ...operation,
        description: undefined,
        parameters: parameters.filter((one) => one.in !== 'header'),
        responses: successes(operation.responses),
      },
    };
  }
  const used = new Set<string>();
  const use = (part: string): void => {
    for (const [, name = ''] of part.matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      if (used.has(name)) continue;
      used.add(name);
      use(JSON.stringify(document.components.schemas[name]));
    }
  };
  use(JSON.stringify(paths));
  const schemas = Object.fromEntries(
    Object.entries(document.components.schemas).filter(([name]) => used.has(name)),
  );
  const info = { title: 'Posthorn', version: '1' };
  const whole = { openapi: document.openapi, info, paths, components: { schemas } };
  // Examples are for the reference page; here they are noise.
  return JSON.parse(
    JSON.stringify(whole, (name, value: unknown) => (name === 'example' ? undefined : value)),
  );
};

type Generator = {
  readonly default: (document: unknown, options: unknown) => Promise<readonly { name?: { text?: string } }[]>;
  readonly astToString: (nodes: readonly unknown[]) => string;
};

const KEPT = ['components', 'operations'];

const generate = async (document: Document): Promise<string> => {
  const folder = await npm('openapi-typescript@7.13.0', 'typescript@5.9.3');
  const entry = pathToFileURL(join(folder, 'node_modules/openapi-typescript/dist/index.mjs')).href;
  const { default: openapiTS, astToString } = (await import(entry)) as Generator;
  const nodes = await openapiTS(reduced(document), { immutable: true, defaultNonNullable: false });
  const types = astToString(nodes.filter(({ name }) => KEPT.includes(name?.text ?? '')));
  const routes = ours(document).map(
    ({ operationId, method, path }) => `  '${operationId}': ['${method}', '${path}'],`,
  );
  return `// Generated from the OpenAPI document by packages/server/test/client/schema.test.ts: run it with -u.

/** Method and path of each operation. */
export const routes = {
${routes.join('\n')}
} as const;

${types}`;
};

const formatted = async (text: string): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-schema-'));
  try {
    const path = join(folder, 'schema.ts');
    await writeFile(path, text);
    const config = fileURLToPath(new URL('../../../../.oxfmtrc.json', import.meta.url));
    await promisify(execFile)(oxfmt, ['--config', config, path]);
    return await readFile(path, 'utf8');
  } finally {
    await rm(folder, { recursive: true });
  }
};

it('is what the document says now', { timeout: 120_000 }, async () => {
  const document = await readDocument((path) => harness.call('GET', path, { token: null }));
  await expect(await formatted(await generate(document))).toMatchFileSnapshot(file);
});
