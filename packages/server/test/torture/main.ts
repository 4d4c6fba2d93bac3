// Faults on the real thing: docs/reliability.md.
import { readArguments, usage } from './arguments.ts';
import { faults } from './faults.ts';
import { tableOf } from './report.ts';
import { isGood, type Result } from './result.ts';
import { runFault } from './run.ts';

// The exit takes down what was started.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const asked = readArguments(process.argv.slice(2), faults, String(Date.now() % 1_000_000));
const log = (line: string): void => void process.stderr.write(`${line}\n`);
const oneByName = process.argv.some((argument) => argument.startsWith('--only'));

switch (asked.kind) {
  case 'help':
  case 'list':
    process.stdout.write(asked.text);
    break;
  case 'wrong':
    process.stderr.write(`torture: ${asked.problem}\n\n${usage}`);
    process.exitCode = 2;
    break;
  default: {
    const { chosen, seconds, seed, json, old, plant } = asked;
    log(`torture: ${chosen.length} faults, ${seconds} s each, seed ${seed}`);
    const results: Result[] = [];
    for (const fault of chosen) {
      const result = await runFault(fault, { seconds, seed, old, plant, log });
      results.push(result);
      log(tableOf([result]).split('\n')[1] ?? '');
      if (result.end === 'broke') log(result.problems);
      if (result.end === 'failed') log(result.why);
    }
    const failed = results.filter((result) => !isGood(result) || (oneByName && result.end === 'skipped'));
    process.stdout.write(json ? `${JSON.stringify({ seed, seconds, results })}\n` : tableOf(results));
    if (failed.length > 0) {
      const again = failed.map(({ fault }) => fault).join(',');
      log(`again: npm run torture -- --seed ${seed} --seconds ${seconds} --only ${again}`);
      process.exitCode = 1;
    }
  }
}
