import { parseArgs } from 'node:util';
import { isPlanted, planted, type PlantedBug } from '../crash/planted.ts';
import type { Fault } from './fault.ts';

export type Arguments =
  | {
      readonly kind: 'run';
      readonly chosen: readonly Fault[];
      readonly seconds: number;
      readonly seed: string;
      readonly json: boolean;
      /** A commit whose server is the old one, for the upgrade. */
      readonly old: string | null;
      /** Put into every node, to show that it is found. */
      readonly plant: PlantedBug | null;
    }
  | { readonly kind: 'list' | 'help'; readonly text: string }
  | { readonly kind: 'wrong'; readonly problem: string };

export const usage = `Usage: npm run torture -- [options]

  --only FAULT,…  these only (--list has all)
  --seconds N     how long each fault goes on (default 60)
  --seed TEXT     what decides the moments (default: by the time; printed)
  --old COMMIT    \`upgrade\` begins with the server of this commit
  --plant BUG     put a bug into every node, which must be found: ${Object.keys(planted).join(', ')}
  --json          print one JSON object on stdout and nothing else
  --list          what there is

Exit code 0: nothing was lost or is stuck, no promise was broken; what was skipped is said. 1: not so, or what was
asked for by --only could not be done here. 2: an option is wrong.
`;

const DEFAULT_SECONDS = 60;
const LONGEST_SECONDS = 86_400;

const list = (faults: readonly Fault[]): string => {
  const width = Math.max(...faults.map(({ name }) => name.length));
  return `${faults.map(({ name, does }) => `${name.padEnd(width)}  ${does}`).join('\n')}\n`;
};

/** Reads the command line. @param seed where none is given. */
export const readArguments = (args: readonly string[], faults: readonly Fault[], seed: string): Arguments => {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        only: { type: 'string' },
        seconds: { type: 'string', default: String(DEFAULT_SECONDS) },
        seed: { type: 'string', default: seed },
        old: { type: 'string' },
        plant: { type: 'string' },
        json: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    return { kind: 'wrong', problem: (error as Error).message };
  }
  if (values.help) return { kind: 'help', text: usage };
  if (values.list) return { kind: 'list', text: list(faults) };
  const names = values.only?.split(',').map((name) => name.trim());
  const unknown = names?.find((name) => !faults.some((fault) => fault.name === name));
  if (unknown !== undefined)
    return { kind: 'wrong', problem: `there is no fault "${unknown}"; --list has all names` };
  const seconds = Number(values.seconds);
  if (!(seconds >= 1 && seconds <= LONGEST_SECONDS))
    return {
      kind: 'wrong',
      problem: `--seconds must be from 1 to ${LONGEST_SECONDS}, not "${values.seconds}"`,
    };
  const { plant = null } = values;
  if (plant !== null && !isPlanted(plant))
    return { kind: 'wrong', problem: `there is no planted bug "${plant}"; --help has all names` };
  const chosen = faults.filter(({ name }) => names?.includes(name) ?? true);
  const { json, old = null } = values;
  return { kind: 'run', chosen, seconds, seed: values.seed, json, old, plant };
};
