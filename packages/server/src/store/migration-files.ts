import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** The package's migrations; the same path from src/store and from dist/store. */
export const migrationsFolder = fileURLToPath(new URL('../../migrations/', import.meta.url));

/** One file `NNN_name.sql`. Markers are `--!` lines before the first statement. */
export type Migration = {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the file, lower-case hex. */
  readonly checksum: string;
  /** `--! breaking`: processes that do not know this version must not run on it. */
  readonly breaking: boolean;
  /**
   * `--! no-transaction`: each statement (ending with `;` at a line's end) on its own, for
   * `create index concurrently`. They must be repeatable: a kill in the middle runs all of them again.
   */
  readonly transactional: boolean;
};

const fileName = /^(\d{3,})_([a-z0-9_]+)\.sql$/;

const markersOf = (sql: string): Set<string> => {
  const markers = new Set<string>();
  for (const line of sql.split('\n')) {
    const text = line.trim();
    if (text.startsWith('--!')) markers.add(text.slice(3).trim());
    else if (text !== '' && !text.startsWith('--')) break;
  }
  return markers;
};

/** Reads one migration. Throws on a marker that it does not know. */
export const parseMigration = (file: string, sql: string): Migration => {
  const match = fileName.exec(file);
  if (match === null) throw new Error(`migration ${file}: the name must be NNN_name.sql`);
  const markers = markersOf(sql);
  for (const marker of markers) {
    if (marker !== 'breaking' && marker !== 'no-transaction') {
      throw new Error(`migration ${file}: unknown marker "--! ${marker}"`);
    }
  }
  return {
    version: Number(match[1]),
    name: match[2]!,
    sql,
    checksum: createHash('sha256').update(sql).digest('hex'),
    breaking: markers.has('breaking'),
    transactional: !markers.has('no-transaction'),
  };
};

/** All migrations of a folder by version. Throws on a number used twice. */
export const readMigrations = async (folder: string = migrationsFolder): Promise<Migration[]> => {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql'));
  const migrations = await Promise.all(
    files.map(async (file) => parseMigration(file, await readFile(`${folder}/${file}`, 'utf8'))),
  );
  migrations.sort((a, b) => a.version - b.version);
  migrations.forEach((migration, index) => {
    if (migrations[index - 1]?.version === migration.version) {
      throw new Error(`two migrations have the number ${migration.version}`);
    }
  });
  return migrations;
};

/** The statements of a migration without a transaction. */
export const statementsOf = (migration: Migration): string[] =>
  migration.sql
    .split(/;[ \t]*(?:\r?\n|$)/)
    .map((statement) => statement.replace(/^\s*--.*$/gm, '').trim())
    .filter((statement) => statement !== '');

const concurrentIndex =
  /create\s+(?:unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?"?([a-z0-9_]+)"?/gi;

/** Names of the indexes that a migration builds concurrently: a killed build leaves them invalid. */
export const concurrentIndexesOf = (migration: Migration): string[] =>
  [...migration.sql.matchAll(concurrentIndex)].map((match) => match[1]!);
