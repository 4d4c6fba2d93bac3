import type { SoakResult } from './result.ts';
import type { Sample } from './sample.ts';

const number = (value: number, decimals = 0): string => value.toFixed(decimals);

/** A line for each piece while it goes on. */
export function progress(sample: Sample): string {
  const minutes = `${number(sample.atSeconds / 60, 1)} min`.padStart(10);
  return [
    minutes,
    `${sample.acceptedInAll} messages`,
    `202 p99 ${number(sample.acceptMs.p99)} ms`,
    `first request p99 ${number(sample.deliverMs.p99)} ms`,
    `loop ${number(sample.loopLagMs)} ms`,
    `server ${number(sample.nodeMb)} MB`,
    `live ${number(sample.sizes.live, 1)}+${number(sample.sizes.liveIndexes, 1)} MB`,
    `in all ${number(sample.sizes.whole)} MB`,
    `load ${number(sample.load, 1)}`,
  ].join(', ');
}

/** The report for people. */
export function report(result: SoakResult): string {
  const { troubled, oldDays } = result;
  const machine = Object.entries(result.machine).map(([name, value]) => `${name} ${value}`);
  const verdicts = result.verdicts.map(
    ({ series, unit, first, last, limit, isFlat }) =>
      `${isFlat ? 'flat' : 'NOT FLAT'}`.padEnd(10) +
      series.padEnd(28) +
      `${number(first, 1)} -> ${number(last, 1)} ${unit} (at most ${number(limit, 1)})`,
  );
  return [
    machine.join(', '),
    '',
    `${result.accepted} messages in ${number(result.seconds)} s (${number(result.accepted / result.seconds)}/s), seed ${result.seed}`,
    `${result.delivered} delivered, ${result.lost} lost, ${result.duplicates} duplicates, ${result.refused} refused, ${result.retried} failed at first`,
    `troubled endpoint: ${troubled.accepted} accepted = ${troubled.succeeded} succeeded + ${troubled.dead} dead + ${troubled.open} open`,
    `days of long ago: ${oldDays.putIn} put in, ${oldDays.dropped} dropped, ${oldDays.droppedWithWork} with work in them`,
    `the auditor found ${result.auditFindings}`,
    '',
    ...(verdicts.length > 0 ? verdicts : ['too short a run to say whether anything is flat']),
    '',
    result.problems.length === 0 ? 'everything held' : 'WHAT DID NOT HOLD:',
    ...result.problems.map((problem) => `  ${problem}`),
    '',
  ].join('\n');
}
