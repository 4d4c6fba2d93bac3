import { parseArgs } from 'node:util';
import { plants } from './plants.ts';

export type Arguments = {
  readonly from: number;
  readonly count: number;
  readonly plant: string | null;
  readonly json: boolean;
};
export type ParsedArguments =
  | { readonly kind: 'run'; readonly arguments: Arguments }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly problem: string };

export const usage = `Usage: npm run simulate -- [options]

Runs the server's ingest and dispatch, several nodes of them, on the model of its store, with faults,
in virtual time, and checks what it promises. One seed is one run and always the same.

Options:
  --seeds N      how many seeds (default 1000, with --seed 1)
  --seed S       the first of them (default 1)
  --plant NAME   with a bug planted; it should be found
  --json         print one JSON object on stdout and nothing else
  --help         this text

Ends with 0 when all seeds held, 1 when one did not, 2 when it was asked for something else.

Planted bugs: ${Object.keys(plants).join(', ')}
`;

const DEFAULT_SEEDS = 1_000;

const wholeNumber = (text: string, least: number): number | null => {
  const value = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least ? value : null;
};

/** What the command line asks for. */
export const parseArguments = (args: readonly string[]): ParsedArguments => {
  const wrong = (problem: string): ParsedArguments => ({ kind: 'wrong', problem });
  let values: {
    seeds?: string | undefined;
    seed?: string | undefined;
    plant?: string | undefined;
    json: boolean;
    help: boolean;
  };
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        seeds: { type: 'string' },
        seed: { type: 'string' },
        plant: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    return wrong((error as Error).message);
  }
  if (values.help) return { kind: 'help' };
  const count =
    values.seeds === undefined
      ? values.seed === undefined
        ? DEFAULT_SEEDS
        : 1
      : wholeNumber(values.seeds, 1);
  if (count === null)
    return wrong(`--seeds must be a whole number from 1 on, not "${String(values.seeds)}".`);
  const from = wholeNumber(values.seed ?? '1', 0);
  if (from === null) return wrong(`--seed must be a whole number from 0 on, not "${String(values.seed)}".`);
  const plant = values.plant ?? null;
  if (plant !== null && !Object.hasOwn(plants, plant)) {
    return wrong(`There is no planted bug "${plant}". There are: ${Object.keys(plants).join(', ')}.`);
  }
  return { kind: 'run', arguments: { from, count, plant, json: values.json } };
};
