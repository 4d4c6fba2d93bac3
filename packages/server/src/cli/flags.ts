import { type Command, Option } from 'commander';
import { settings, type Setting, type SettingName } from '../settings.ts';

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The flag of a setting: `--attempt-timeout <seconds>`. */
export const flagOf = (name: SettingName): string => {
  const setting: Setting = settings[name];
  if (setting.kind === 'boolean') return `--${kebab(name)} [boolean]`;
  return `--${kebab(name)} <${setting.unit ?? (setting.kind === 'choice' ? setting.choices.join('|') : setting.kind)}>`;
};

/** Adds a flag for every setting that is no secret: secrets on a command line show in `ps`. */
export const addSettingFlags = (command: Command, names: readonly SettingName[]): Command => {
  for (const name of names) {
    const setting: Setting = settings[name];
    if (setting.secret === true) continue;
    const fallback =
      setting.default === undefined || setting.default === '' ? '' : ` Default: ${setting.default}.`;
    command.addOption(new Option(flagOf(name), `${setting.description}${fallback} [${setting.env}]`));
  }
  return addConfigFlag(command).addHelpText('after', secretsHelp(names));
};

export const addConfigFlag = (command: Command): Command =>
  command.option('--config <file>', 'YAML file with settings by name. [POSTHORN_CONFIG]');

/** The settings that have no flag, for the end of `--help`. */
const secretsHelp = (names: readonly SettingName[]): string => {
  const secrets = names.map((name): Setting => settings[name]).filter(({ secret }) => secret === true);
  const width = Math.max(...secrets.map(({ env }) => env.length)) + 2;
  const lines = secrets.map(({ env, description }) => `  ${env.padEnd(width)}${description}`);
  return `\nSecrets have no flag. Set the variable, or name a file with <VARIABLE>_FILE:\n${lines.join('\n')}\n`;
};

export const allSettings = Object.keys(settings) as SettingName[];

/** docs/config.md: every setting, from the one table. */
export const configMarkdown = (): string => {
  const rows = allSettings.map((name) => {
    const setting: Setting = settings[name];
    const value =
      setting.default === undefined ? '' : setting.default === '' ? '(empty)' : `\`${setting.default}\``;
    const flag = setting.secret === true ? `file: \`${setting.env}_FILE\`` : `\`--${kebab(name)}\``;
    const kind =
      setting.kind === 'choice' ? setting.choices.map((choice) => `\`${choice}\``).join(', ') : setting.kind;
    return `| \`${setting.env}\` | ${flag} | \`${name}\` | ${setting.unit ?? kind} | ${value} | ${setting.description} |`;
  });
  return `# Configuration

Every setting can be given as an environment variable, as a flag of \`posthorn start\` and \`posthorn dev\`,
or as a key of a YAML file named by \`--config\` or \`POSTHORN_CONFIG\`. A flag wins over the environment,
the environment over the file. Secrets have no flag (it would show in the process list); they may come
from a file named by \`<VARIABLE>_FILE\`. This page is made from \`packages/server/src/settings.ts\`.

| variable | flag | key in the file | unit or values | default | what it is |
|---|---|---|---|---|---|
${rows.join('\n')}

\`posthorn dev\` differs in three defaults: loopback and private networks are allowed
(\`POSTHORN_ALLOW_SUBNETS\`), plain http endpoints too (\`POSTHORN_HTTPS_ONLY=false\`), and the log level is
\`warn\`. Its secrets are made on the first start and kept in its data directory.
`;
};
