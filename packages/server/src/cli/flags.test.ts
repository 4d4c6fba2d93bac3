import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { settings, type Setting } from '../settings.ts';
import { addSettingFlags, allSettings, configMarkdown, flagOf } from './flags.ts';

const parse = (...args: string[]): Record<string, unknown> =>
  addSettingFlags(new Command('x').exitOverride(), allSettings).parse(args, { from: 'user' }).opts();

describe('the flags', () => {
  it('are named after the settings, with their units', () => {
    expect(
      ['attemptTimeout', 'embedded', 'headers', 'listen'].map((name) =>
        flagOf(name as keyof typeof settings),
      ),
    ).toEqual([
      '--attempt-timeout <seconds>',
      '--embedded [boolean]',
      '--headers <webhook|svix|both>',
      '--listen <text>',
    ]);
  });

  it('come back under the settings’ names', () => {
    expect(parse('--attempt-timeout', '3', '--https-only', 'false', '--config', 'x.yaml')).toEqual({
      attemptTimeout: '3',
      httpsOnly: 'false',
      config: 'x.yaml',
    });
    expect(parse('--embedded')).toEqual({ embedded: true });
    expect(parse()).toEqual({});
  });

  it('exist for everything but secrets, which the help names with their variables', () => {
    const command = addSettingFlags(new Command('x'), allSettings);
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    const all = allSettings.map((name): Setting & { flag: string } => ({
      ...settings[name],
      flag: `${flagOf(name).replace(/ .*/, '')} `,
    }));
    const withFlag = all.filter(({ flag }) => help.includes(flag));
    expect(withFlag.map(({ env }) => env)).toEqual(
      all.filter(({ secret }) => secret !== true).map(({ env }) => env),
    );
    expect(all.filter(({ env }) => !help.includes(env))).toEqual([]);
  });
});

describe('docs/config.md', () => {
  it('has a row for each setting', () => {
    const rows = configMarkdown()
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    expect(rows.map((row) => row.split('`')[1])).toEqual(allSettings.map((name) => settings[name].env));
  });
});
