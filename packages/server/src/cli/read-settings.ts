import { readConfig, type Config, type ConfigIssue, type Origin } from '../config.ts';
import type { SettingName } from '../settings.ts';
import { printIssues, type ExitCode, type Streams } from './output.ts';
import type { Flags } from './program.ts';

export type Settings = { readonly config: Config; readonly origins: Readonly<Record<string, Origin>> };

/** Settings, with what is wrong in them already said: then the exit code is all that is left. */
export const createSettingsReader =
  (env: Readonly<Record<string, string | undefined>>, streams: Streams) =>
  (
    flags: Flags,
    defaults: Partial<Record<SettingName, string>>,
    check: (config: Config) => readonly ConfigIssue[],
  ): Settings | ExitCode => {
    const result = readConfig({ flags, env, defaults });
    if (result.kind === 'invalid') return printIssues(streams, result.issues);
    const issues = check(result.config);
    return issues.length > 0 ? printIssues(streams, issues) : result;
  };
