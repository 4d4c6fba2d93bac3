import { readOptions, usage } from './options.ts';
import { report } from './report.ts';
import { SoakRun } from './run.ts';

const parsed = readOptions(process.argv.slice(2), Math.random());
if (parsed.kind === 'help') process.stdout.write(usage);
else if (parsed.kind === 'wrong') {
  process.stderr.write(`${parsed.problem}\n\n${usage}`);
  process.exitCode = 2;
} else {
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  log(
    `soak: ${parsed.options.rate} messages a second for ${parsed.options.hours} h, seed ${parsed.options.seed}`,
  );
  const run = new SoakRun(parsed.options, log);
  let signals = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      if (++signals > 1) process.exit(130);
      log('soak: the load ends with this minute; once more ends everything at once');
      run.stop();
    });
  try {
    const result = await run.go();
    process.stdout.write(parsed.options.json ? `${JSON.stringify(result)}\n` : report(result));
    process.exitCode = result.problems.length === 0 ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  }
}
