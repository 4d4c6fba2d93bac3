// `npm run --silent sbom`: what an installed Posthorn consists of, as CycloneDX JSON, from the lock file alone.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

type Component = { readonly 'bom-ref': string; readonly type: string; readonly [field: string]: unknown };
type Edges = { readonly ref: string; readonly dependsOn: readonly string[] };
type Bom = {
  readonly metadata: { readonly component: Component; readonly timestamp?: string };
  readonly components: readonly Component[];
  readonly dependencies: readonly Edges[];
  readonly serialNumber?: string;
};

const repository = fileURLToPath(new URL('..', import.meta.url));

/**
 * The part of a bill of materials that a package needs to run, with it as the subject. npm's own `--omit dev` will not
 * do: it leaves out what something else needs for development as well. Without what differs from one run to the
 * next: the same lock file gives the same bytes.
 */
export const partOf = (bom: Bom, name: string): Bom => {
  const edges = new Map(bom.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
  const subject = bom.components.find((one) => one['bom-ref'].startsWith(`${name}@`));
  if (subject === undefined) throw new Error(`${name} is not in the lock file`);
  const reached = new Set<string>();
  const visit = (ref: string): void => {
    if (reached.has(ref)) return;
    reached.add(ref);
    for (const next of edges.get(ref) ?? []) visit(next);
  };
  visit(subject['bom-ref']);
  const { serialNumber: _serial, ...lasting } = bom;
  const { timestamp: _made, ...metadata } = bom.metadata;
  return {
    ...lasting,
    metadata: { ...metadata, component: { ...subject, type: 'application', name } },
    components: bom.components.filter((one) => one !== subject && reached.has(one['bom-ref'])),
    dependencies: bom.dependencies.filter(({ ref }) => reached.has(ref)),
  };
};

/** Everything in the lock file, development included. Asks nobody. */
export const billOfMaterials = (): Bom => {
  const how = ['--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only', '--offline'];
  const out = execFileSync('npm', ['sbom', ...how], { cwd: repository, maxBuffer: 64 * 1024 * 1024 });
  return JSON.parse(out.toString()) as Bom;
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { package: { type: 'string', default: 'posthorn' } } });
  process.stdout.write(`${JSON.stringify(partOf(billOfMaterials(), values.package), null, 2)}\n`);
}
