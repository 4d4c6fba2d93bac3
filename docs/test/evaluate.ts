// Runs a snippet of a page here, with the modules that it imports and the names that its page leaves open.

const IMPORT = /^import (?:\{([^}]*)\}|(\w+)) from '([^']+)';$/gm;

type Body = (scope: Readonly<Record<string, unknown>>) => Promise<Record<string, unknown>>;
const AsyncFunction = (async () => {}).constructor as new (...parts: string[]) => Body;

/** @returns what the snippet calls by these names */
export const evaluate = async <Name extends string>(
  text: string,
  scope: Readonly<Record<string, unknown>>,
  names: readonly Name[],
): Promise<Record<Name, unknown>> => {
  const known: Record<string, unknown> = { ...scope };
  for (const [, list, single = '', from = ''] of text.matchAll(IMPORT)) {
    const module = (await import(/* @vite-ignore */ from)) as Record<string, unknown>;
    const wanted = list?.split(',').map((name) => name.trim()) ?? [];
    for (const name of wanted) known[name] = module[name];
    if (list === undefined) known[single] = module['default'];
  }
  const code = text.replaceAll(IMPORT, '').replaceAll(/^export /gm, '');
  const run = new AsyncFunction(
    'scope',
    `const { ${Object.keys(known).join(', ')} } = scope;\n${code}\nreturn { ${names.join(', ')} };`,
  );
  return run(known);
};
