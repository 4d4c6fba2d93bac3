import type { ExitCode, Streams } from './output.ts';

export type RotateSteps = {
  /** How many endpoints there are, about. */
  readonly total: () => Promise<number>;
  readonly reseal: (
    cursor: string | null,
    limit: number,
  ) => Promise<{
    readonly walked: number;
    readonly cursor: string | null;
    readonly resealed: number;
    readonly changed: number;
    readonly unreadable: readonly string[];
  }>;
  /** Afterwards a server starts with the current secret only. */
  readonly finish: () => Promise<void>;
};

const CHUNK = 500;
/** A walk that finds something is followed by another; a server with the old secret would make that endless. */
const WALKS = 5;
const SHOWN = 20;

/**
 * `posthorn secrets rotate`. Exit code 1 while something is sealed under an earlier secret still, or
 * under one that is not known.
 */
export const rotateSecrets = async (
  steps: RotateSteps,
  asJson: boolean,
  streams: Streams,
): Promise<ExitCode> => {
  const total = await steps.total();
  let resealed = 0;
  let unreadable: string[] = [];
  let rest = 0;
  for (let walks = 1; walks <= WALKS; walks++) {
    let walked = 0;
    let cursor: string | null = null;
    rest = 0;
    unreadable = [];
    do {
      const step = await steps.reseal(cursor, CHUNK);
      cursor = step.cursor;
      walked += step.walked;
      resealed += step.resealed;
      rest += step.resealed + step.changed;
      unreadable.push(...step.unreadable);
      if (cursor !== null && !asJson)
        streams.err(
          `${walked} of about ${Math.max(total, walked)} endpoints looked at, ${resealed} sealed anew\n`,
        );
    } while (cursor !== null);
    if (rest === 0) break;
  }
  const isDone = rest === 0 && unreadable.length === 0;
  if (isDone) await steps.finish();
  if (asJson) {
    streams.out(`${JSON.stringify({ done: isDone, resealed, unreadable })}\n`);
    return isDone ? 0 : 1;
  }
  if (isDone) {
    streams.out(
      `${resealed} endpoints sealed anew; nothing needs POSTHORN_MAIN_SECRET_OLD any more: remove it\n`,
    );
    return 0;
  }
  if (rest > 0)
    streams.err(
      'posthorn: secrets are still being sealed under an earlier main secret: a running server has it as its first. Restart all servers with the new POSTHORN_MAIN_SECRET, then run this again.\n',
    );
  if (unreadable.length > 0) {
    const more = unreadable.length > SHOWN ? ` and ${unreadable.length - SHOWN} more` : '';
    streams.err(
      `posthorn: the secrets of ${unreadable.slice(0, SHOWN).join(', ')}${more} open with none of the main secrets given. Add the one they were sealed under to POSTHORN_MAIN_SECRET_OLD and run this again, or give these endpoints new secrets and headers.\n`,
    );
  }
  return 1;
};
