import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

const usage = `Usage: npm run bench -- <command> [options]

Commands:
  relay    durable throughput, CPU and latency beside a relay that stores nothing
  nodes    1, 2 and 4 processes on one database; how long a change of owner takes
  neighbours  what endpoints that hang do to those that answer
  backlog  what deliveries that wait for blocked endpoints cost the others
  overload what becomes of three and of ten times as much as the server can take

Options of relay:
  --seconds N     length of one measurement (default 4)
  --rounds N      rounds, interleaved (default 5)
  --json          print one JSON object on stdout and nothing else
  --no-pin        do not bind processes to processors (default: bind where taskset exists)
  --relays-only   leave the durable side out

Options of nodes:
  --seconds N     length of one throughput measurement (default 4)
  --rounds N      throughput rounds, interleaved (default 3)
  --json          print one JSON object on stdout and nothing else

Options of neighbours, backlog and overload:
  --seconds N     length of one measurement (default 5, 4, 60)
  --rounds N      rounds, interleaved (default 5; overload has none)
  --rate N        neighbours: messages a second to all endpoints together (default 600)
  --seed N        order of the cases, keys (default: a random one, printed)
  --json          print one JSON object on stdout and nothing else
`;

/** Reads a positive number; exits with a sentence when it is none. */
function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  process.stderr.write(`--${name} must be a number above 0, not "${text}".\n`);
  process.exit(2);
}

async function relay(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      json: { type: 'boolean', default: false },
      seconds: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '5' },
      pin: { type: 'boolean', default: true },
      'relays-only': { type: 'boolean', default: false },
    },
  });
  const { runRelay } = await import('./relay/run.ts');
  const { result, text } = await runRelay({
    seconds: positive('seconds', values.seconds),
    rounds: Math.ceil(positive('rounds', values.rounds)),
    pin: values.pin,
    relaysOnly: values['relays-only'],
    log: (line) => process.stderr.write(`${line}\n`),
  });
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : text);
}

async function nodes(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      seconds: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '3' },
    },
  });
  const { nodesText, runNodes } = await import('./nodes/run.ts');
  const result = await runNodes({
    seconds: positive('seconds', values.seconds),
    rounds: Math.ceil(positive('rounds', values.rounds)),
    log: (line) => process.stderr.write(`${line}\n`),
  });
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : nodesText(result));
}

const log = (line: string): void => void process.stderr.write(`${line}\n`);

/** Of the three that ask what others cost: each ends with 1 when anything acknowledged was lost. */
function figures(args: string[], seconds: string) {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      seconds: { type: 'string', default: seconds },
      rounds: { type: 'string', default: '5' },
      rate: { type: 'string', default: '600' },
      seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
    },
  });
  const seed = Math.floor(positive('seed', values.seed));
  log(`seed ${seed}`);
  return {
    seconds: positive('seconds', values.seconds),
    rounds: Math.ceil(positive('rounds', values.rounds)),
    rate: positive('rate', values.rate),
    seed,
    log,
    show: <Result extends { readonly lost: number }>(
      result: Result,
      text: (result: Result) => string,
    ): void => {
      process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : text(result));
      if (result.lost > 0) process.exitCode = 1;
    },
  };
}

async function neighbours(args: string[]): Promise<void> {
  const options = figures(args, '5');
  const { neighboursText, runNeighbours } = await import('./neighbours/run.ts');
  options.show(await runNeighbours(options), neighboursText);
}

async function backlog(args: string[]): Promise<void> {
  const options = figures(args, '4');
  const { backlogText, runBacklog } = await import('./backlog/run.ts');
  options.show(await runBacklog(options), backlogText);
}

async function overload(args: string[]): Promise<void> {
  const options = figures(args, '60');
  const { overloadText, runOverload } = await import('./overload/run.ts');
  options.show(await runOverload(options), overloadText);
}

const commands: Readonly<Record<string, (args: string[]) => Promise<void>>> = {
  relay,
  nodes,
  neighbours,
  backlog,
  overload,
};

const [name = '', ...args] = process.argv.slice(2);
const command = commands[name];
if (command === undefined) {
  process.stderr.write(usage);
  process.exitCode = name === '' || name === 'help' || name === '--help' ? 0 : 2;
} else {
  try {
    await command(args);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
