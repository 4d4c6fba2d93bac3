import type { Result } from './result.ts';

const HEAD = [
  'fault',
  'seconds',
  'accepted',
  '503',
  'requests',
  'lost',
  'duplicated',
  'explained',
  'stuck',
  'seen besides',
];

const cells = (result: Result): string[] => {
  switch (result.end) {
    case 'skipped':
      return [result.fault, ...Array.from({ length: 8 }, () => '-'), `SKIPPED: ${result.why}`];
    case 'failed':
      return [
        result.fault,
        result.seconds.toFixed(0),
        ...Array.from({ length: 7 }, () => '-'),
        `FAILED: ${result.why.split('\n', 1)[0] ?? ''}`,
      ];
    default: {
      const { acknowledged, refused, requests, lost, duplicated, explained, stuck, others } = result;
      const counts = [acknowledged, refused, requests, lost, duplicated, explained, stuck].map(String);
      const broken = Object.entries(others).map(([rule, count]) => `${rule.toUpperCase()} ${count}`);
      const besides = [...broken, result.note].filter((text) => text !== '');
      return [result.fault, result.seconds.toFixed(0), ...counts, besides.join(', ')];
    }
  }
};

/** The table for people: faults by what was lost, duplicated, stuck. */
export const tableOf = (results: readonly Result[]): string => {
  const rows = [HEAD, ...results.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const last = HEAD.length - 1;
  const lines = rows.map((row) =>
    row
      .map((cell, column) => {
        if (column === last) return cell;
        return column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
      })
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
};
