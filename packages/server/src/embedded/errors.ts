/** Why the embedded PostgreSQL cannot run. */
export type EmbeddedProblem =
  | 'unsupported_platform'
  | 'no_binaries'
  | 'version_mismatch'
  | 'held'
  | 'not_permitted'
  | 'disk_full'
  | 'foreign_directory'
  | 'failed';

/** What {@link startEmbedded} rejects with: its message says what happened, why, and what to do next. */
export class EmbeddedError extends Error {
  override readonly name = 'EmbeddedError';
  readonly problem: EmbeddedProblem;

  constructor(problem: EmbeddedProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }
}

const DISK_FULL = /No space left on device|Disk quota exceeded/;
const NOT_PERMITTED =
  /Permission denied|Operation not permitted|spawn \S+ E(?:ACCES|PERM)|has wrong ownership|Read-only file system/;

/** Sorts what a PostgreSQL program printed (in English) before it gave up. */
export const problemInOutput = (output: string): 'disk_full' | 'not_permitted' | 'failed' =>
  DISK_FULL.test(output) ? 'disk_full' : NOT_PERMITTED.test(output) ? 'not_permitted' : 'failed';

/** One error for a PostgreSQL program that failed at `step` in `dataDir`, with the end of its own words. */
export const programFailed = (step: string, dataDir: string, output: string): EmbeddedError => {
  const problem = problemInOutput(output);
  const said = output.trim().split('\n').slice(-8).join('\n  ');
  const advice = {
    disk_full: `The disk that holds ${dataDir} is full. Free some space and start again; nothing committed is lost.`,
    not_permitted: `Check who owns ${dataDir} and what lies in it, or choose another place with POSTHORN_DATA_DIR.`,
    failed: 'If it happens again, set DATABASE_URL to a PostgreSQL of your own.',
  }[problem];
  return new EmbeddedError(problem, `Embedded PostgreSQL: ${step} failed. ${advice}\n  ${said}`);
};

/** Turns a file system error of ours into an {@link EmbeddedError}; anything else is returned as it came. */
export const explain = (error: unknown, dataDir: string): unknown => {
  if (!(error instanceof Error) || error instanceof EmbeddedError) return error;
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new EmbeddedError(
      'disk_full',
      `The disk that holds ${dataDir} is full (${error.message}). Free some space and start again; nothing committed is lost.`,
      { cause: error },
    );
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new EmbeddedError(
      'not_permitted',
      `Posthorn may not write to its data directory ${dataDir} (${error.message}). ` +
        'Start it as the user who owns that directory, or choose another one with POSTHORN_DATA_DIR.',
      { cause: error },
    );
  }
  return error;
};
