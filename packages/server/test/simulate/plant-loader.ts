import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { plants } from './plants.ts';

const repository = fileURLToPath(new URL('../../../../', import.meta.url));

/** The source with the bug in it. @throws Error when the source is no longer what the bug was made for. */
export const mutate = (name: string, file: string, source: string): string => {
  let text = source;
  for (const edit of plants[name] ?? []) {
    if (edit.file !== file) continue;
    if (text.split(edit.find).length !== 2) {
      throw new Error(
        `The planted bug ${name} does not fit: ${file} has "${edit.find}" ${text.split(edit.find).length - 1} times, not once. ` +
          'Change it with the source, in packages/server/test/simulate/plants.ts.',
      );
    }
    text = text.replace(edit.find, () => edit.replace);
  }
  return text;
};

/** Plants a bug in what this thread loads from now on. */
export const plant = (name: string): void => {
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context);
      if (!url.startsWith('file:') || loaded.source === undefined || loaded.source === null) return loaded;
      const path = fileURLToPath(url);
      if (!path.startsWith(repository)) return loaded;
      const source =
        typeof loaded.source === 'string'
          ? loaded.source
          : Buffer.from(loaded.source as Uint8Array).toString('utf8');
      return { ...loaded, source: mutate(name, path.slice(repository.length), source) };
    },
  });
};
