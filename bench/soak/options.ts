import { parseArgs } from 'node:util';

export interface SoakOptions {
  /** Messages a second. */
  readonly rate: number;
  readonly hours: number;
  /** The run is watched in pieces of this length. */
  readonly pieceSeconds: number;
  /** A day of long ago is put in once in so many seconds. */
  readonly oldDaySeconds: number;
  readonly seed: number;
  readonly json: boolean;
  /** Where each piece is appended to as a line of JSON, or null. */
  readonly samples: string | null;
}

export const usage = `Usage: npm run soak -- --rate 1000 --hours 3 [options]

  --rate N        messages a second (default 1000)
  --hours H       how long the load goes on, with fractions (default 3)
  --samples FILE  append one line of JSON for each minute, for a run that may not be let end
  --seed N        which messages fail on their first tries (default: by the time; printed)
  --json          print one JSON object on stdout and nothing else

Ctrl-C ends the load and concludes; a second one ends everything at once. Exit code 0: nothing was lost and
everything stayed flat; 1: not so, or it could not be run; 2: an option is wrong.
`;

export type Parsed =
  | { readonly kind: 'ok'; readonly options: SoakOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly problem: string };

const PIECE_SECONDS = 60;
const OLD_DAY_SECONDS = 600;
const MAX_RATE = 100_000;
const MAX_SEED = 2 ** 31;

/** Reads the command line. `chance` is in [0, 1): the seed where none is given. */
export function readOptions(args: readonly string[], chance: number): Parsed {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        rate: { type: 'string', default: '1000' },
        hours: { type: 'string', default: '3' },
        samples: { type: 'string' },
        seed: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    return { kind: 'wrong', problem: (error as Error).message };
  }
  if (values.help) return { kind: 'help' };
  const rate = Number(values.rate);
  const hours = Number(values.hours);
  const seed = values.seed === undefined ? Math.floor(chance * MAX_SEED) : Number(values.seed);
  if (!(rate > 0 && rate <= MAX_RATE))
    return { kind: 'wrong', problem: `--rate must be above 0 and at most ${MAX_RATE}, not "${values.rate}"` };
  if (!(hours > 0 && Number.isFinite(hours)))
    return { kind: 'wrong', problem: `--hours must be a number above 0, not "${values.hours}"` };
  if (!(Number.isInteger(seed) && seed >= 0 && seed < MAX_SEED))
    return { kind: 'wrong', problem: `--seed must be a whole number from 0 up, not "${values.seed ?? ''}"` };
  const seconds = hours * 3600;
  return {
    kind: 'ok',
    options: {
      rate,
      hours,
      // Twelve pieces at least: below that nothing can be said about a course.
      pieceSeconds: Math.min(PIECE_SECONDS, seconds / 12),
      oldDaySeconds: Math.min(OLD_DAY_SECONDS, seconds / 6),
      seed,
      json: values.json,
      samples: values.samples ?? null,
    },
  };
}
