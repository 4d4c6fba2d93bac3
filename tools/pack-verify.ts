// Puts the programs that the reference page shows (docs/verify) into the package while it is packed;
// `--remove` takes them away again.
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { languages } from '../packages/server/src/api/verify-samples.ts';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

rmSync(at('../packages/server/verify'), { recursive: true, force: true });
const paths = languages.flatMap(({ byHand, withLibrary }) => [byHand, withLibrary]);
for (const path of process.argv.includes('--remove') ? [] : paths) {
  const target = at(`../packages/server/verify/${path}`);
  mkdirSync(dirname(target), { recursive: true });
  cpSync(at(`../docs/verify/${path}`), target);
}
