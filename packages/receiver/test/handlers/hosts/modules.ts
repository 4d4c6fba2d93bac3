// The modules that a program is made of, as plain JavaScript under names relative to the package.
import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const IMPORT = /^(?:import|export)\b[^;]*?from '(\.[^']+)';/gm;

export const modulesOf = async (entry: string): Promise<ReadonlyMap<string, string>> => {
  const modules = new Map<string, string>();
  const add = async (path: string): Promise<void> => {
    if (modules.has(path)) return;
    const code = stripTypeScriptTypes(await readFile(join(ROOT, path), 'utf8'));
    modules.set(path, code);
    for (const [, target = ''] of code.matchAll(IMPORT)) await add(join(path, '..', target));
  };
  await add(entry);
  return modules;
};
