import type { SeedResult, Shrunk } from './one-seed.ts';
import type { PlanEvent } from './plan.ts';

const SHOWN = 5;
const TRACE_LINES = 80;

const eventText = ({ atMs, kind, ...rest }: PlanEvent): string => {
  const more = Object.entries(rest).map(([name, value]) => {
    const shown = typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(1) : String(value);
    return `${name} ${shown}`;
  });
  return `  ${atMs.toFixed(0).padStart(6)} ${kind}: ${more.join(', ')}`;
};

/** A seed that failed, for a reader: what is wrong, how to see it again, and the smallest run that shows it. */
export const failureText = (failure: SeedResult, shrunk: Shrunk | null, plant: string | null): string => {
  const { seed, violations } = failure;
  const again = `npm run simulate -- --seed ${seed}${plant === null ? '' : ` --plant ${plant}`}`;
  const lines = [
    `Seed ${seed} does not hold:`,
    ...violations.slice(0, SHOWN).map(({ rule, detail }) => `  ${rule}: ${detail}`),
    ...(violations.length > SHOWN ? [`  and ${violations.length - SHOWN} more`] : []),
    '',
    `Again: ${again}`,
  ];
  if (shrunk === null) return `${lines.join('\n')}\n`;
  const { plan, trace } = shrunk;
  const first = shrunk.violations[0];
  // What comes long before or after says little.
  const end =
    first === undefined ? trace.length : trace.findLastIndex((line) => parseFloat(line) <= first.atMs) + 1;
  const from = Math.max(0, end - TRACE_LINES);
  return [
    ...lines,
    '',
    `The smallest run found (${shrunk.runs} tried), ${plan.nodes} nodes, storm of ${Math.round(plan.stormMs)} ms:`,
    ...plan.events.map(eventText),
    '',
    ...shrunk.violations.slice(0, SHOWN).map(({ rule, detail }) => `  ${rule}: ${detail}`),
    '',
    ...(from > 0 ? [`  (${from} lines before)`] : []),
    ...trace.slice(from, end).map((line) => `  ${line}`),
    '',
  ].join('\n');
};
