// The house rules that neither the compiler nor the linter can hold. Text matching is crude on
// purpose: anyone can read a rule here and add a row, with a planted violation below that proves
// it bites.
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const repository = fileURLToPath(new URL('..', import.meta.url));

/** Who may import whom inside packages/server/src; `type x` allows `import type` only. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  domain: [],
  outcome: ['domain'],
  ingest: ['domain', 'type clock.ts'],
  store: ['domain', 'type ingest', 'type dispatch', 'type api', 'type peers', 'type clock.ts'],
  attempt: ['domain', 'type clock.ts'],
  dispatch: ['domain', 'outcome', 'type clock.ts'],
  embedded: ['type clock.ts'],
  peers: ['domain'],
  observe: ['domain', 'type ingest', 'type dispatch', 'type clock.ts'],
  api: ['domain', 'ingest', 'type dispatch', 'type store', 'type clock.ts'],
  client: [],
  cli: ['config.ts', 'settings.ts', 'observe', 'type api', 'type clock.ts'],
  'clock.ts': ['domain'],
  'config.ts': ['domain', 'settings.ts'],
  'settings.ts': ['domain'],
  'housekeeping.ts': ['store', 'type api', 'type clock.ts'],
  'with-database.ts': ['cli', 'supervised-postgres.ts', 'server.ts'],
  'wipe.ts': ['cli', 'embedded'],
  'start-on.ts': ['cli', 'api', 'server.ts'],
  'pool.ts': ['cli', 'store', 'type observe', 'type config.ts', 'type clock.ts'],
  'peering.ts': ['peers', 'store', 'type observe', 'type dispatch', 'type config.ts', 'type clock.ts'],
  'databases.ts': ['store', 'type observe', 'type config.ts'],
  'joining.ts': ['domain', 'store', 'type config.ts', 'type clock.ts'],
  'supervised-postgres.ts': ['embedded'],
  'auditing.ts': ['domain', 'type store'],
  'limiting.ts': ['api', 'type observe', 'type dispatch', 'type config.ts', 'type clock.ts'],
};
/** The composition: the only files that know every folder. */
const KNOWS_ALL = ['main.ts', 'server.ts', 'upkeep.ts', 'wiring.ts'];

type Ban = {
  readonly rule: string;
  readonly pattern: RegExp;
  /** The folders and files of packages/server/src that may. */
  readonly allowed: readonly string[];
  readonly instead: string;
};

/** Matched against the code without comments. */
const BANS: readonly Ban[] = [
  {
    rule: 'clock',
    pattern: /\bDate\.now\b|\bnew Date\b(?!\s*\(\s*[^)\s])|\bperformance\.|\bprocess\.hrtime\b/,
    allowed: ['clock.ts', 'client'],
    instead: 'take a Clock',
  },
  {
    rule: 'random',
    pattern:
      /\bMath\.random\b|\.\s*(random(Bytes|UUID\w*|Int|Fill\w*)|getRandomValues)\b|\bimport\s*\{[^}]*\brandom\w+[^}]*\}\s*from\s*'(node:)?crypto'/,
    allowed: ['clock.ts', 'client'],
    instead: 'take a Random',
  },
  {
    rule: 'environment',
    pattern: /\bprocess\s*\.\s*env\b|\benv\b[^\n]*from 'node:process'/,
    allowed: ['config.ts'],
    instead: 'add a row to the table in config.ts',
  },
  {
    rule: 'console',
    pattern: /\bconsole\.|\bprocess\.(stdout|stderr)\b/,
    allowed: ['cli'],
    instead: 'log through observe, or print in cli',
  },
  {
    rule: 'postgres',
    pattern: /(from|import\(|import|require\()\s*['"]pg(-[\w-]+)?['"/]/,
    allowed: ['store'],
    instead: 'declare what you need as an interface and let store implement it',
  },
  {
    rule: 'sql',
    pattern:
      /['"`]\s*(--[^\n]*\n\s*)*(select\s[^'"`]*?\sfrom\s|select\s+[\w.]+\(|insert\s+into\s|update\s+\w+\s+(as\s+\w+\s+)?set\s|delete\s+from\s|with\s+(recursive\s+)?\w+\s+(\([^)]*\)\s*)?as\s|(create|alter|drop|truncate)\s+(table|index|schema|role|type|function|database)\s|listen\s\w+['"`]|(begin|commit|rollback)\b[^'"`]{0,40}['"`])/i,
    allowed: ['store', 'embedded'],
    instead: 'one file per operation in store/ (embedded/ only sets up the cluster itself)',
  },
  {
    rule: 'sockets',
    pattern:
      /(from|import\(|import|require\()\s*['"](undici|node:(tls|dns|dgram|http2))['"/]|(?<![.\w])fetch\(|\b(https?)\.(request|get)\(|\bimport\s*\{[^}]*\b(request|get)\b[^}]*\}\s*from\s*'node:https?'|\bnew (WebSocket|EventSource)\b/,
    allowed: ['attempt', 'cli', 'peers'],
    instead: 'only attempt/ reaches out to the world (cli/ to the server, peers/ to other nodes)',
  },
  {
    rule: 'net',
    pattern: /['"]node:net['"]/,
    allowed: ['attempt', 'cli', 'embedded'],
    instead: 'only attempt/ reaches out to the world; embedded/ looks for a free port on loopback',
  },
  {
    rule: 'processes',
    pattern: /['"]node:(child_process|cluster)['"]/,
    allowed: ['embedded', 'cli'],
    instead: 'only embedded/ and cli/ start programs',
  },
];

/** What of the receiver may need Node; the rest runs on every runtime with web standards. */
const RECEIVER_ON_NODE = /^(handlers|dedup|inbox|queues)\//;

const MAX_LINES = 400;
const CODE = ['packages/*/{src,test,bin}/**/*.{ts,tsx,js}', '{bench,test,tools}/**/*.ts'];
/** Written by a test, and as long as the API is wide. */
const GENERATED = 'packages/server/src/client/schema.ts';
const IMPORT =
  /\b(?:import|export)\s+(type\s)?(?:[\w$*\s{},]*?\sfrom\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g;
/** Strings first, so that `//` and `/*` inside of them are not taken for comments. */
const STRING_OR_COMMENT =
  /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[^]|[^`\\])*`|\/\*[^]*?\*\/|\/\/[^\n]*/g;

const withoutComments = (text: string): string =>
  text.replace(STRING_OR_COMMENT, (part) => (part.startsWith('/') ? part.replace(/[^\n]/g, ' ') : part));

const lineAt = (text: string, index: number): number => text.slice(0, index).split('\n').length;

/** The broken rules of one file, as `rule: path:line what to do instead`. */
const violations = (path: string, text: string): string[] => {
  const found: string[] = [];
  const lines = text.replace(/\n$/, '').split('\n').length;
  if (lines > MAX_LINES && path !== GENERATED)
    found.push(`length: ${path} has ${lines} lines, at most ${MAX_LINES}: split it by idea`);

  const isTest = /\.test\.ts$|\/test\//.test(path);
  const place = /^packages\/(server|receiver)\/src\/(.+)$/.exec(path);
  if (isTest || !place) return found;
  const code = withoutComments(text);
  const imports = [...code.matchAll(IMPORT)].map((match) => ({
    line: lineAt(code, match.index),
    typeOnly: match[1] !== undefined,
    target: match[2] ?? match[3] ?? '',
  }));

  if (place[1] === 'receiver') {
    const root = 'packages/receiver/src/';
    for (const { line, typeOnly, target } of imports) {
      const inside = target.startsWith('.') && join(dirname(path), target).startsWith(root);
      const node = target.startsWith('node:') && (typeOnly || RECEIVER_ON_NODE.test(path.slice(root.length)));
      if (!inside && !node)
        found.push(`receiver: ${path}:${line} imports '${target}': the receiver has no dependencies`);
    }
    return found;
  }

  const segments = (place[2] ?? '').split('/');
  const from = segments[0] ?? '';
  if (segments.length > 2) found.push(`depth: ${path} is deeper than one folder`);
  if (KNOWS_ALL.includes(from)) return found;
  const allowed = MAY_IMPORT[from];
  if (!allowed) return [...found, `layers: ${path}: '${from}' is not in the table of who may import whom`];

  const up = segments.length > 1 ? '../' : './';
  for (const { line, typeOnly, target } of imports) {
    if (!target.startsWith('.') || (up === '../' && target.startsWith('./'))) continue;
    const to = target.startsWith(up) ? (target.slice(up.length).split('/')[0] ?? '') : target;
    if (to === from || allowed.includes(to) || (typeOnly && allowed.includes(`type ${to}`))) continue;
    const may = allowed.length === 0 ? 'nothing' : allowed.join(', ');
    found.push(
      `layers: ${path}:${line} ${from} imports ${typeOnly ? 'type ' : ''}${to}; it may import ${may}`,
    );
  }
  for (const { rule, pattern, allowed: places, instead } of BANS) {
    const match = places.includes(from) ? null : pattern.exec(withoutTypeImports(code));
    if (match) found.push(`${rule}: ${path}:${lineAt(code, match.index)} ${match[0].trim()}: ${instead}`);
  }
  return found;
};

const withoutTypeImports = (code: string): string =>
  code.replace(/\bimport\s+type\s[^'"]*['"][^'"]*['"]/g, (part) => part.replace(/[^\n]/g, ' '));

/** Decisions are numbered 0001, 0002, … without a gap, and say their number in the title. */
const misnumbered = (files: readonly { readonly name: string; readonly text: string }[]): string[] =>
  files.flatMap(({ name, text }, index) => {
    const number = String(index + 1).padStart(4, '0');
    const right = new RegExp(`^${number}-[a-z0-9-]+\\.md$`).test(name) && text.startsWith(`# ${number}: `);
    return right
      ? []
      : [`decisions: ${name} should be ${number}-some-words.md and begin with '# ${number}: '`];
  });

/** Where packages come from is the reader's own configuration, not the repository's. */
const addresses = (path: string, text: string): string[] =>
  text
    .split('\n')
    .flatMap((line, index) =>
      /"resolved": "https?:|\bregistry\s*=|\bregistry\.[a-z]+js\.org\b/.test(line)
        ? [`addresses: ${path}:${index + 1} names a package registry`]
        : [],
    );

type Locked = { readonly optionalDependencies?: Readonly<Record<string, string>> };

/** `npm ci` refuses a lock file without the packages of the platforms that it was not made on. */
const missingPlatforms = (packages: Readonly<Record<string, Locked>>): string[] =>
  Object.values(packages).flatMap(({ optionalDependencies = {} }) =>
    Object.keys(optionalDependencies).filter(
      (name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)),
    ),
  );

const read = (path: string): string => readFileSync(new URL(path, `file://${repository}`), 'utf8');
const files = (...patterns: string[]): string[] => globSync(patterns, { cwd: repository }).sort();

describe('the repository', () => {
  const code = files(...CODE);

  it('has files to check', () => {
    expect(code).toContain('tools/tidy.test.ts');
    expect(code.some((path) => path.startsWith('packages/server/src/domain/'))).toBe(true);
    expect(code.some((path) => path.startsWith('packages/receiver/src/'))).toBe(true);
  });

  it('keeps the house rules', () => {
    expect(code.flatMap((path) => violations(path, read(path)))).toEqual([]);
  });

  it('numbers its decisions', () => {
    const decisions = files('docs/decisions/*').map((path) => ({
      name: path.slice('docs/decisions/'.length),
      text: read(path),
    }));
    expect(decisions.length).toBeGreaterThan(0);
    expect(misnumbered(decisions)).toEqual([]);
  });

  it('locks the packages of every platform', () => {
    const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> };
    expect(missingPlatforms(lock.packages)).toEqual([]);
  });

  it('records no package registry', () => {
    const manifests = files('package*.json', 'packages/*/package.json', '.npmrc', '.ci/*', '*.md');
    expect(manifests).toContain('package-lock.json');
    expect(manifests.flatMap((path) => addresses(path, read(path)))).toEqual([]);
  });
});

const src = (path: string): string => `packages/server/src/${path}`;

/** [rule, file, content]: each must be found by exactly that rule. */
const PLANTED: readonly (readonly [string, string, string])[] = [
  ['layers', src('domain/a.ts'), `import { x } from '../outcome/x.ts';`],
  ['layers', src('outcome/a.ts'), `import { now } from '../clock.ts';`],
  ['layers', src('outcome/a.ts'), `import type { Clock } from '../clock.ts';`],
  ['layers', src('ingest/a.ts'), `import type { Store } from '../store/x.ts';`],
  ['layers', src('store/a.ts'), `import { port } from '../dispatch/port.ts';`],
  ['layers', src('attempt/a.ts'), `import { decide } from '../outcome/decide.ts';`],
  ['layers', src('dispatch/a.ts'), `import {\n  settle,\n} from '../store/settle.ts';`],
  ['layers', src('dispatch/a.ts'), `const { send } = await import('../attempt/send.ts');`],
  ['layers', src('dispatch/a.ts'), `export * from '../attempt/send.ts';`],
  ['layers', src('embedded/a.ts'), `import { x } from '../domain/x.ts';`],
  ['layers', src('observe/a.ts'), `import { x } from '../api/x.ts';`],
  ['layers', src('api/a.ts'), `import { insert } from '../store/insert.ts';`],
  ['layers', src('api/a.ts'), `import '../store/insert.ts';`],
  ['layers', src('client/a.ts'), `import { x } from '../domain/x.ts';`],
  ['layers', src('cli/a.ts'), `import { insert } from '../store/insert.ts';`],
  ['layers', src('cli/a.ts'), `import { listen } from '../api/listen.ts';`],
  ['layers', src('clock.ts'), `import { x } from './config.ts';`],
  ['layers', src('config.ts'), `import { x } from './cli/x.ts';`],
  ['layers', src('settings.ts'), `import { load } from './config.ts';`],
  ['layers', src('housekeeping.ts'), `import { x } from './dispatch/x.ts';`],
  ['layers', src('with-database.ts'), `import { x } from './store/x.ts';`],
  ['layers', src('wipe.ts'), `import { x } from './store/x.ts';`],
  ['layers', src('start-on.ts'), `import { x } from './store/x.ts';`],
  ['layers', src('pool.ts'), `import { x } from './dispatch/x.ts';`],
  ['layers', src('limiting.ts'), `import { x } from './store/x.ts';`],
  ['layers', src('auditing.ts'), `import { x } from './store/x.ts';`],
  ['layers', src('databases.ts'), `import { x } from './api/x.ts';`],
  ['layers', src('joining.ts'), `import { x } from './api/x.ts';`],
  ['layers', src('peering.ts'), `import { x } from './api/x.ts';`],
  ['layers', src('peers/a.ts'), `import { x } from '../store/x.ts';`],
  ['layers', src('observe/a.ts'), `import { lane } from '../dispatch/lane.ts';`],
  ['layers', src('supervised-postgres.ts'), `import { x } from './store/x.ts';`],
  ['layers', src('helpers/a.ts'), `export const x = 1;`],
  ['layers', src('util.ts'), `export const x = 1;`],
  ['depth', src('api/v1/a.ts'), `export const x = 1;`],
  ['clock', src('dispatch/a.ts'), `const at = Date.now();`],
  ['clock', src('outcome/a.ts'), `const at = new Date();`],
  ['clock', src('outcome/a.ts'), `const at = new Date;`],
  ['clock', src('ingest/a.ts'), `const at = performance.now();`],
  ['clock', src('api/a.ts'), `const at = process.hrtime.bigint();`],
  ['random', src('outcome/a.ts'), `const x = Math.random();`],
  ['random', src('api/a.ts'), `import { randomUUID } from 'node:crypto';`],
  ['random', src('store/a.ts'), `const iv = crypto.getRandomValues(new Uint8Array(12));`],
  ['environment', src('cli/a.ts'), `const home = process.env.HOME;`],
  ['environment', src('api/a.ts'), `import { env } from 'node:process';`],
  ['console', src('dispatch/a.ts'), `console.log('here');`],
  ['console', src('api/a.ts'), `process.stdout.write('here');`],
  ['postgres', src('api/a.ts'), `import pg from 'pg';`],
  ['postgres', src('dispatch/a.ts'), `import { to } from 'pg-copy-streams';`],
  ['sql', src('dispatch/a.ts'), 'const q = `\n  select id from live\n`;'],
  ['sql', src('api/a.ts'), `const q = 'insert into message values ($1)';`],
  ['sql', src('ingest/a.ts'), 'const q = `with m as (values (1)) table m`;'],
  ['sql', src('api/a.ts'), `const q = 'UPDATE live SET due = now()';`],
  ['sql', src('observe/a.ts'), `const q = "select pg_stat_reset()";`],
  ['sockets', src('dispatch/a.ts'), `import { Pool } from 'undici';`],
  ['net', src('api/a.ts'), `import { connect } from 'node:net';`],
  ['sockets', src('observe/a.ts'), `const answer = await fetch('http://x');`],
  ['sockets', src('api/a.ts'), `import http from 'node:http';\nhttp.request('http://x');`],
  ['sockets', src('api/a.ts'), `import { createServer, request } from 'node:http';`],
  ['sockets', src('api/a.ts'), `import { get } from 'node:https';`],
  ['processes', src('api/a.ts'), `import { spawn } from 'node:child_process';`],
  ['receiver', 'packages/receiver/src/a.ts', `import { x } from 'undici';`],
  ['receiver', 'packages/receiver/src/a.ts', `import { x } from '../../server/src/clock.ts';`],
  ['receiver', 'packages/receiver/src/presets/a.ts', `import { x } from '../../test/x.ts';`],
  ['receiver', 'packages/receiver/src/sources/a.ts', `import { createHmac } from 'node:crypto';`],
  ['length', src('store/a.ts'), 'const x = 1;\n'.repeat(401)],
  ['length', src('store/a.test.ts'), 'const x = 1;\n'.repeat(401)],
];

const CLEAN: readonly (readonly [string, string])[] = [
  [
    src('store/a.ts'),
    `import pg from 'pg';\nimport type { Port } from '../dispatch/port.ts';\nconst q = 'select 1 from x';`,
  ],
  [src('dispatch/a.ts'), `import { decide } from '../outcome/decide.ts';\nimport { lane } from './lane.ts';`],
  [src('attempt/a.ts'), `import { sign } from '@posthorn/receiver';\nimport { Pool } from 'undici';`],
  [
    src('api/a.ts'),
    `import { createServer } from 'node:https';\nimport type { Socket } from 'node:net';\napp.fetch(request);`,
  ],
  [
    src('outcome/a.ts'),
    `// Date.now() and process.env stay outside\nconst at = new Date(nowMs); /* fetch(it) */`,
  ],
  [
    src('api/b.ts'),
    `const accept = '*/*';\nconst text = 'Select an endpoint';\nconst url = 'https://example.com';`,
  ],
  [src('clock.ts'), `export const nowMs = (): number => Date.now();`],
  [src('domain/ids.ts'), `export const id = (randomBytes: Uint8Array): string => encode(randomBytes);`],
  [
    'packages/receiver/src/handlers/node.ts',
    `import { Buffer } from 'node:buffer';\nimport { verify } from '../verify.ts';`,
  ],
  [src('main.ts'), `import { a } from './store/a.ts';\nimport { b } from './cli/b.ts';`],
  [src('dispatch/a.test.ts'), `import { b } from '../store/b.ts';\nconst at = Date.now();`],
  [src('store/b.ts'), 'const x = 1;\n'.repeat(400)],
];

describe('every rule bites', () => {
  const title = (path: string, content: string): string =>
    `${path}: ${content.replaceAll('\n', ' ').slice(0, 70)}`;

  for (const [rule, path, content] of PLANTED)
    it(`${rule} finds ${title(path, content)}`, () => {
      expect(violations(path, content).map((text) => text.split(':')[0])).toEqual([rule]);
    });

  for (const [path, content] of CLEAN)
    it(`and what is right passes: ${title(path, content)}`, () => {
      expect(violations(path, content)).toEqual([]);
    });

  it('no rule is without a planted violation', () => {
    const planted = new Set(PLANTED.map(([rule]) => rule));
    expect(BANS.map(({ rule }) => rule).filter((rule) => !planted.has(rule))).toEqual([]);
    const sources = new Set(
      PLANTED.filter(([rule]) => rule === 'layers').map(([, path]) => path.split('/')[3]),
    );
    expect(Object.keys(MAY_IMPORT).filter((folder) => !sources.has(folder))).toEqual([]);
  });

  it('finds decisions with a gap, a wrong name or a wrong title', () => {
    const first = { name: '0001-a.md', text: '# 0001: A' };
    expect(misnumbered([first, { name: '0002-b.md', text: '# 0002: B' }])).toEqual([]);
    expect(misnumbered([first, { name: '0003-b.md', text: '# 0003: B' }])).toHaveLength(1);
    expect(misnumbered([{ name: 'notes.md', text: '# 0001: A' }])).toHaveLength(1);
    expect(misnumbered([{ name: '0001-a.md', text: '# A' }])).toHaveLength(1);
  });

  it('finds a platform that the lock file misses', () => {
    const tool = { optionalDependencies: { 'tool-linux': '1.0.0', 'tool-mac': '1.0.0' } };
    expect(missingPlatforms({ 'node_modules/tool': tool, 'node_modules/tool-linux': {} })).toEqual([
      'tool-mac',
    ]);
  });

  it('finds recorded addresses', () => {
    const host = ['registry', 'npmjs', 'org'].join('.');
    expect(addresses('package-lock.json', `"resolved": "https:` + `//host/x.tgz"`)).toHaveLength(1);
    expect(addresses('.npmrc', 'registry' + '=https://host')).toHaveLength(1);
    expect(addresses('README.md', `from ${host}`)).toHaveLength(1);
    expect(addresses('package-lock.json', '"resolved": "packages/server"')).toEqual([]);
  });
});
