// Versions side by side: the next one, which exists only as migrations, and an older one, from a commit.
import { execFile } from 'node:child_process';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { migrationsFolder } from '../../src/store/migration-files.ts';

const run = promisify(execFile);
const repository = fileURLToPath(new URL('../../../../', import.meta.url));

/** What a next version may do to tables that are in use: docs of it are in CONTRIBUTING.md. */
const NEXT: Readonly<Record<string, string>> = {
  '900_expand.sql': `
create table next_thing (id bigint generated always as identity primary key, what text not null);
alter table live add column next_mark text;
alter table endpoint add column next_flag boolean not null default false;
alter table attempt add column next_note text;
`,
  '901_index.sql': `--! no-transaction
create index concurrently if not exists next_live on live (app_id, msg_id);
create index concurrently if not exists next_lane on lane (org_id);
`,
  '902_check.sql': `
alter table live add constraint next_mark_short check (length(next_mark) < 100) not valid;
alter table live validate constraint next_mark_short;
update endpoint set next_flag = true;
`,
};
export const NEXT_VERSIONS = Object.keys(NEXT).map((name) => Number.parseInt(name, 10));

/** This version's migrations and the next one's, in a folder. */
export const nextMigrations = async (folder: string): Promise<string> => {
  const all = join(folder, 'migrations');
  await cp(migrationsFolder, all, { recursive: true });
  for (const [name, sql] of Object.entries(NEXT)) await writeFile(join(all, name), sql);
  return all;
};

export type OldVersion = {
  /** Its server, for the nodes under test. */
  readonly entry: string;
  readonly migrations: string;
  readonly remove: () => Promise<void>;
};

/** Checks a commit out beside this one, on the same installed packages. */
export const checkOut = async (commit: string, folder: string): Promise<OldVersion> => {
  const root = join(folder, 'old');
  await run('git', ['-C', repository, 'worktree', 'add', '--detach', root, commit]);
  const places = [
    'node_modules',
    'packages/server/node_modules',
    'packages/receiver/node_modules',
    'packages/receiver/dist',
  ];
  for (const place of places) {
    if (!existsSync(join(repository, place))) continue;
    await mkdir(join(root, place, '..'), { recursive: true });
    await symlink(join(repository, place), join(root, place));
  }
  return {
    entry: join(root, 'packages/server/test/crash/server-entry.ts'),
    migrations: join(root, 'packages/server/migrations'),
    remove: async () => {
      await run('git', ['-C', repository, 'worktree', 'remove', '--force', root]);
    },
  };
};
