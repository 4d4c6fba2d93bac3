import { parseArgs } from 'node:util';

const usage = `Usage: npm run bench -- <command> [options]

Commands:
  relay    durable throughput, CPU and latency beside a relay that stores nothing
  nodes    1, 2 and 4 processes on one database; how long a change of owner takes

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

const commands: Readonly<Record<string, (args: string[]) => Promise<void>>> = { relay, nodes };

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
