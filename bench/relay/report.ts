import type { CaseName } from './plan.ts';
import type { CaseFigures, Result } from './result.ts';
import type { Latency } from './round.ts';
import { median, type Spread } from '../shared/statistics.ts';

const labels: Record<CaseName, string> = {
  reference: 'reference relay',
  durable: 'durable',
  relayHono: 'relay on hono',
  referenceBatch100: 'reference relay, batch 100',
  durableBatch100: 'durable, batch 100',
  durableKeys: 'durable, eventId + idempotency key',
};

/** The report for people. */
export function report(result: Result): string {
  const machine = Object.entries(result.machine).map(([name, value]) => `${name} ${value}`);
  const lines = [
    machine.join(', '),
    '',
    ...caseTable(result),
    '',
    ...ratioLines(result),
    ...twoLines(result),
    '',
    ...latencyLines(result),
  ];
  for (const [name, memory] of Object.entries(result.memory)) {
    const postgres = memory.postgresMb > 0 ? `, PostgreSQL ${memory.postgresMb.toFixed(0)} MB` : '';
    lines.push(`memory (${memory.kind}), ${name}: Node ${memory.nodeMb.toFixed(0)} MB${postgres}`);
  }
  lines.push(
    '',
    `${result.acknowledged} messages acknowledged, ${result.lost} lost, ${result.duplicates} duplicates`,
  );
  if (result.void) lines.push('VOID: no round of a ratio counts; its figures are from void rounds.');
  for (const reason of result.voidReasons) lines.push(`void: ${reason}`);
  return `${lines.join('\n')}\n`;
}

function caseTable(result: Result): string[] {
  const head = [
    'case',
    'messages/s',
    'µs Node',
    'µs PG',
    'cores: Node',
    'PG',
    'generator',
    'receiver',
    'statements/message',
    'rounds',
  ];
  const rows = Object.entries(result.cases).map(([name, figures]) => [
    labels[name as CaseName],
    show(figures.messagesPerSecond, 0),
    show(figures.cpuUsPerMessage.node, 0),
    show(figures.cpuUsPerMessage.postgres, 0),
    ...coreColumns(figures),
    figures.statementsPerMessage?.toFixed(3) ?? '-',
    String(figures.rounds),
  ]);
  return table([head, ...rows]);
}

function coreColumns({ cores }: CaseFigures): string[] {
  return [cores.node, cores.postgres, cores.generator, cores.receiver].map(
    (share) => share?.toFixed(2) ?? '-',
  );
}

function twoLines({ two }: Result): string[] {
  if (two?.ratio === undefined) return [];
  const rounds = (rates: readonly number[]): string => rates.map((rate) => rate.toFixed()).join(' ');
  const { median: middle, min, max } = two.ratio;
  return [
    `${middle.toFixed(3)} (${min.toFixed(3)}-${max.toFixed(3)})  two durable processes / two reference relays ` +
      `(messages/s: ${rounds(two.durable)} / ${rounds(two.relays)})`,
  ];
}

function ratioLines(result: Result): string[] {
  const named: readonly [keyof Result['ratios'], string][] = [
    ['oneProcess', 'durable / reference relay, one message a request'],
    ['batch100', 'durable / reference relay, 100 messages a request'],
    ['oneProcessWithKeys', 'durable with eventId and idempotency key / reference relay'],
    ['oneProcessToRelayHono', 'durable / relay on hono'],
    ['relayHonoToReference', 'relay on hono / reference relay'],
  ];
  return named.flatMap(([name, label]) => {
    const ratio = result.ratios[name];
    return ratio === undefined
      ? []
      : [
          `${show(ratio, 3)}  ${label} (${ratio.rounds} rounds; by Node CPU ${show(result.nodeCpu[name], 3)})`,
        ];
  });
}

function latencyLines(result: Result): string[] {
  const lines: string[] = [];
  for (const [name, measurements] of Object.entries(result.latency)) {
    const found = measurements.map(({ latencyMs }) => latencyMs).filter((one) => one !== undefined);
    const first = found[0];
    if (first === undefined) continue;
    const of = (pick: (one: Latency) => number): string => median(found.map(pick)).toFixed(1);
    lines.push(
      `at ${first.rate}/s, ${name}: 202 to delivered p50 ${of((one) => one.acceptToDelivered.p50)}` +
        ` p99 ${of((one) => one.acceptToDelivered.p99)} ms; sent to delivered` +
        ` p50 ${of((one) => one.sendToDelivered.p50)} p99 ${of((one) => one.sendToDelivered.p99)} ms`,
    );
  }
  return lines;
}

function show(spread: Spread | undefined, decimals: number): string {
  if (spread === undefined) return '-';
  const text = (value: number): string => value.toFixed(decimals);
  return `${text(spread.median)} (${text(spread.min)}-${text(spread.max)})`;
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
}
