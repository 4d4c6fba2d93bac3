import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { parseDisk } from './domain/disk.ts';
import { settings, type SettingName, type Setting } from './settings.ts';

/** Where a value came from, for error messages and `--help`. */
export type Origin = 'default' | 'file' | 'environment' | 'flag';

type ValueOf<S extends Setting> = S['kind'] extends 'boolean'
  ? boolean
  : S['kind'] extends 'number'
    ? number
    : S['kind'] extends 'list'
      ? readonly string[]
      : string;

/** Every setting by name; null where it is not set and has no default. */
export type Config = {
  readonly [Name in SettingName]:
    | ValueOf<(typeof settings)[Name]>
    | ((typeof settings)[Name] extends { readonly default: string } ? never : null);
};

export type ConfigIssue = {
  /** The environment variable's name. */
  readonly name: string;
  readonly problem: string;
};

export type ConfigResult =
  | { readonly kind: 'ok'; readonly config: Config; readonly origins: Readonly<Record<string, Origin>> }
  | { readonly kind: 'invalid'; readonly issues: readonly ConfigIssue[] };

/** Where settings are read from: strongest first flags, environment, the YAML file. */
export type ConfigSources = {
  /** By setting name, as given on the command line. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Defaults of the command (`dev` differs from `start`). */
  readonly defaults?: Partial<Record<SettingName, string>>;
};

const booleans: Readonly<Record<string, boolean>> = {
  true: true,
  1: true,
  yes: true,
  false: false,
  0: false,
  no: false,
};

const asJsonList = (text: string): string[] | null => {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : null;
  } catch {
    return null;
  }
};

/** Items between blanks and commas; secrets may hold either, and then come one a line or as a JSON list. */
const parseList = (text: string, areSecrets: boolean): { value: string[] } | { problem: string } => {
  if (text.startsWith('[')) {
    const items = asJsonList(text);
    if (items !== null) return { value: items.filter((item) => item !== '') };
    if (areSecrets)
      return {
        problem: 'begins with [ and is no JSON list of texts; write it like ["one secret", "another"]',
      };
  }
  const between = areSecrets && text.includes('\n') ? /\r?\n/ : /[\s,]+/;
  return { value: text.split(between).filter((item) => item !== '') };
};

const parseValue = (setting: Setting, text: string): { value: unknown } | { problem: string } => {
  switch (setting.kind) {
    case 'boolean': {
      const value = booleans[text.toLowerCase()];
      return value === undefined ? { problem: `"${text}" is neither true nor false` } : { value };
    }
    case 'number': {
      const value = Number(text);
      const { min = -Infinity, max = Infinity, unit = '' } = setting;
      if (text.trim() === '' || !Number.isFinite(value)) return { problem: `"${text}" is not a number` };
      if (value < min || value > max)
        return { problem: `${text} is out of range: ${min} to ${max} ${unit}`.trim() };
      if (setting.whole === true && !Number.isInteger(value))
        return { problem: `${text} is no whole number; write one from ${min} to ${max}` };
      return { value };
    }
    case 'list':
      return parseList(text, setting.secret === true);
    case 'choice':
      return setting.choices.includes(text)
        ? { value: text }
        : { problem: `"${text}" is none of ${setting.choices.join(', ')}` };
    case 'text':
      return { value: text };
    default:
      return setting satisfies never;
  }
};

type Found = { readonly text: string; readonly origin: Origin };

const fromFile = (path: string | undefined, issues: ConfigIssue[]): Readonly<Record<string, string>> => {
  if (path === undefined || path === '') return {};
  const fail = (problem: string): Readonly<Record<string, string>> => {
    issues.push({ name: 'POSTHORN_CONFIG', problem });
    return {};
  };
  let parsed: unknown;
  try {
    parsed = parseYaml(readFileSync(path, 'utf8'));
  } catch (error) {
    return fail(`${path} cannot be read: ${(error as Error).message}`);
  }
  if (parsed === null) return {};
  if (typeof parsed !== 'object' || Array.isArray(parsed)) return fail(`${path} must hold keys and values`);
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(parsed)) {
    if (!(name in settings)) fail(`${path}: unknown key "${name}"`);
    else values[name] = Array.isArray(value) ? JSON.stringify(value.map(String)) : String(value);
  }
  return values;
};

const readSecretFile = (variable: string, path: string, issues: ConfigIssue[]): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    issues.push({ name: variable, problem: `${path} cannot be read: ${(error as Error).message}` });
    return undefined;
  }
};

const find = (
  name: SettingName,
  sources: ConfigSources,
  file: Readonly<Record<string, string>>,
  issues: ConfigIssue[],
): Found | undefined => {
  const setting: Setting = settings[name];
  const flag = sources.flags[name];
  if (flag !== undefined) return { text: String(flag), origin: 'flag' };
  const direct = sources.env[setting.env];
  const filePath = setting.secret === true ? sources.env[`${setting.env}_FILE`] : undefined;
  if (filePath !== undefined && filePath !== '') {
    if (direct !== undefined) {
      issues.push({ name: setting.env, problem: `is set together with ${setting.env}_FILE; keep one` });
      return undefined;
    }
    const text = readSecretFile(`${setting.env}_FILE`, filePath, issues);
    if (text === undefined) return undefined;
    // A trailing newline is the editor's, not the secret's; of a list it tells that each line is one.
    return { text: setting.kind === 'list' ? text : text.replace(/\r?\n$/, ''), origin: 'environment' };
  }
  // Set and empty means something for a few (no retries); for the rest it means not set.
  if (direct !== undefined && (direct !== '' || setting.emptyIsValue === true))
    return { text: direct, origin: 'environment' };
  const inFile = file[name];
  if (inFile !== undefined) return { text: inFile, origin: 'file' };
  const fallback = sources.defaults?.[name] ?? setting.default;
  return fallback === undefined ? undefined : { text: fallback, origin: 'default' };
};

/** Reads every setting; all problems at once, each with the name of its variable. */
export const readConfig = (sources: ConfigSources): ConfigResult => {
  const issues: ConfigIssue[] = [];
  const configFlag = sources.flags['config'];
  const file = fromFile(typeof configFlag === 'string' ? configFlag : sources.env['POSTHORN_CONFIG'], issues);
  const values: Record<string, unknown> = {};
  const origins: Record<string, Origin> = {};
  for (const name of Object.keys(settings) as SettingName[]) {
    const found = find(name, sources, file, issues);
    if (found === undefined) {
      values[name] = null;
      continue;
    }
    const parsed = parseValue(settings[name], found.text);
    if ('problem' in parsed) issues.push({ name: settings[name].env, problem: parsed.problem });
    else values[name] = parsed.value;
    origins[name] = found.origin;
  }
  if (issues.length > 0) return { kind: 'invalid', issues };
  return { kind: 'ok', config: values as Config, origins };
};

/** The process's environment: the only place that reads it. */
export const processEnv = (): Readonly<Record<string, string | undefined>> => process.env;

/** What `posthorn start` refuses to run with: unsafe or missing values, all at once. */
export const checkProduction = (config: Config): readonly ConfigIssue[] => {
  const issues: ConfigIssue[] = [];
  const need = (holds: boolean, name: string, problem: string): void => {
    if (!holds) issues.push({ name, problem });
  };
  need(
    config.databaseUrl !== null || config.embedded,
    'DATABASE_URL',
    'is not set; name a PostgreSQL, or set POSTHORN_EMBEDDED=true to run the embedded one',
  );
  need(
    config.jwtSecret !== null,
    'POSTHORN_JWT_SECRET',
    'is not set; API tokens are signed with it. Try: openssl rand -hex 32',
  );
  need(
    config.mainSecret !== null,
    'POSTHORN_MAIN_SECRET',
    'is not set; endpoint secrets are encrypted with it. Try: openssl rand -hex 32',
  );
  return [...issues, ...checkAlways(config)];
};

const isProxyUrl = (text: string): boolean => {
  try {
    const { protocol, hostname, pathname, search, username, password } = new URL(text);
    decodeURIComponent(username + password);
    return /^https?:$/.test(protocol) && hostname !== '' && pathname === '/' && search === '';
  } catch {
    return false;
  }
};

/** What no command runs with. */
export const checkAlways = (config: Config): readonly ConfigIssue[] => {
  const issues: ConfigIssue[] = [];
  const short = [config.mainSecret ?? '', ...config.mainSecretsOld].filter(
    (secret) => secret !== '' && Buffer.byteLength(secret) < 32,
  );
  if (short.length > 0) issues.push({ name: 'POSTHORN_MAIN_SECRET', problem: 'is shorter than 32 bytes' });
  if (config.jwtSecret !== null && Buffer.byteLength(config.jwtSecret) < 8) {
    issues.push({ name: 'POSTHORN_JWT_SECRET', problem: 'is shorter than 8 bytes; use 32 random ones' });
  }
  if (config.lease / 3 + config.statementTimeout >= config.lease) {
    issues.push({
      name: 'POSTHORN_STATEMENT_TIMEOUT',
      problem: `a heartbeat (a third of POSTHORN_LEASE, ${config.lease} s) and a statement of ${config.statementTimeout} s do not fit into the lease; make it shorter or the lease longer`,
    });
  }
  if (!/^(auto|[1-9]\d{0,2})$/.test(config.workers)) {
    issues.push({ name: 'POSTHORN_WORKERS', problem: `"${config.workers}" is neither auto nor 1 to 999` });
  }
  if (config.databaseDisk !== null && parseDisk(config.databaseDisk) === null) {
    issues.push({
      name: 'POSTHORN_DATABASE_DISK',
      problem: `"${config.databaseDisk}" is neither a directory (/var/lib/postgresql) nor a size (200GB, 1.5TiB)`,
    });
  }
  if (config.egressProxy !== null && !isProxyUrl(config.egressProxy)) {
    issues.push({
      name: 'POSTHORN_EGRESS_PROXY',
      problem: 'is not the URL of a proxy; write it like http://user:password@proxy.example:3128',
    });
  }
  if ((config.tlsCert === null) !== (config.tlsKey === null)) {
    issues.push({
      name: 'POSTHORN_TLS_CERT',
      problem: 'POSTHORN_TLS_CERT and POSTHORN_TLS_KEY belong together; set both',
    });
  }
  return issues;
};
