// What `npm audit` finds has to be explained in docs/dependencies.md. A registry that cannot be asked stops nobody.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('..', import.meta.url));
const TIMEOUT_MS = 60_000;

type Advisory = { readonly url: string; readonly title: string; readonly severity: string };
type Report = {
  readonly vulnerabilities?: Readonly<Record<string, { readonly via: readonly (string | Advisory)[] }>>;
};

export type Verdict =
  | { readonly kind: 'not asked' }
  | {
      readonly kind: 'judged';
      /** One line each. */
      readonly unexplained: readonly string[];
      readonly explained: readonly string[];
      /** Explained, and no longer found. */
      readonly outlived: readonly string[];
    };

const IDS = /\bGHSA(?:-[0-9a-z]{4}){3}\b/g;

const reportOf = (output: string): Report => {
  try {
    return JSON.parse(output) as Report;
  } catch {
    return {};
  }
};

/** @param output What `npm audit --json` printed. @param page What explains findings, by the id of their advisory. */
export const judge = (output: string, page: string): Verdict => {
  const { vulnerabilities } = reportOf(output);
  if (vulnerabilities === undefined) return { kind: 'not asked' };
  const known = new Set(page.match(IDS));
  const found = new Map<string, string>();
  for (const [name, { via }] of Object.entries(vulnerabilities))
    for (const cause of via)
      if (typeof cause !== 'string') {
        const id = cause.url.match(IDS)?.[0] ?? cause.url;
        found.set(id, `${name}: ${cause.title} (${cause.severity}), ${id}`);
      }
  const lines = (isKnown: boolean): string[] =>
    [...found].filter(([id]) => known.has(id) === isKnown).map(([, line]) => line);
  return {
    kind: 'judged',
    unexplained: lines(false),
    explained: lines(true),
    outlived: [...known].filter((id) => !found.has(id)),
  };
};

/** It ends with an exit code of its own for findings, and for a registry that does not answer. */
const ask = (): Promise<string> =>
  new Promise((resolve) => {
    const how = ['audit', '--json', '--package-lock-only', '--fetch-retries=0', '--fetch-timeout=20000'];
    const options = { cwd: repository, timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 };
    execFile('npm', how, options, (_error, output) => resolve(output));
  });

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const verdict = judge(await ask(), readFileSync(`${repository}/docs/dependencies.md`, 'utf8'));
  if (verdict.kind === 'not asked') {
    console.log('npm audit: the registry could not be asked; nothing is known of new advisories');
  } else {
    for (const line of verdict.unexplained) console.error(`npm audit: ${line}`);
    for (const id of verdict.outlived)
      console.error(`npm audit: ${id} is no longer found; take it out of docs/dependencies.md`);
    if (verdict.unexplained.length > 0)
      console.error('npm audit: update what is affected, or explain it in docs/dependencies.md');
    console.log(
      `npm audit: ${verdict.unexplained.length} finding(s) unexplained, ${verdict.explained.length} explained`,
    );
    process.exitCode = verdict.unexplained.length + verdict.outlived.length > 0 ? 1 : 0;
  }
}
