import { APP_OPTION, application, connect, CONNECTION_OPTIONS } from './connection.ts';
import type { ExitCode } from './output.ts';
import { createPoster, tally } from './poster.ts';
import { spreadOf, spreadText } from './statistics.ts';
import { list, number, type Tool, type ToolInput } from './tool.ts';

export const producerTool: Tool = {
  usage: 'simulate producer',
  summary: 'A producer that posts messages at a steady rate, whatever the server does.',
  options: [
    ...CONNECTION_OPTIONS,
    APP_OPTION,
    ['--rate <count>', 'Messages a second. Default: 10.'],
    ['--for <seconds>', 'How long. Default: until Ctrl-C.'],
    ['--events <types>', 'Event types, in turn. Default: simulated.event.'],
    ['--size <bytes>', 'About how large each payload is. Default: 200.'],
  ],
  run: (input) => produce(input),
};

const CONNECTIONS = 64;
const MOST_OPEN = 1_000;
const STEP_MS = 20;

const produce = async (input: ToolInput): Promise<ExitCode> => {
  const { flags, env, clock, print } = input;
  const rate = number(flags, 'rate', 10, [0.01, 100_000]);
  const seconds = number(flags, 'for', Infinity, [0.1, Infinity]);
  const size = number(flags, 'size', 200, [0, 2_000_000]);
  const events = list(flags, 'events') ?? ['simulated.event'];
  const connection = await connect(input);
  const app = await application(connection, flags, env);
  const poster = createPoster(connection, app, CONNECTIONS, clock.monotonicMs);
  const stop = input.stop();
  const filler = 'x'.repeat(size);
  const counts: Record<string, number> = {};
  const durations: number[] = [];
  const open = new Set<Promise<void>>();
  let planned = 0;
  let skipped = 0;

  const one = async (number_: number): Promise<void> => {
    const eventType = events[number_ % events.length]!;
    const posted = await poster.post(JSON.stringify({ eventType, payload: { number: number_, filler } }));
    if (posted.kind === 'answered') durations.push(posted.durationMs);
    tally(counts, posted.kind === 'answered' ? String(posted.status) : posted.why);
  };

  const startMs = clock.monotonicMs();
  const elapsed = (): number => (clock.monotonicMs() - startMs) / 1000;
  while (!stop.signal.aborted && elapsed() < seconds) {
    const due = Math.floor(Math.min(elapsed(), seconds) * rate) + 1;
    for (; planned < due; planned += 1) {
      if (open.size >= MOST_OPEN) {
        skipped += 1;
        continue;
      }
      const work = one(planned).finally(() => open.delete(work));
      open.add(work);
    }
    print.progress(`${planned} planned, ${counts['202'] ?? 0} accepted, ${open.size} without an answer yet`);
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  await Promise.all(open);
  poster.close();
  print.endProgress();
  const accepted = counts['202'] ?? 0;
  const latency = spreadOf(durations);
  const facts = {
    planned,
    accepted,
    skipped,
    answers: counts,
    seconds: Math.round(elapsed() * 10) / 10,
    latencyMs: latency,
  };
  print.result(facts, () =>
    [
      `planned ${planned}, accepted ${accepted} in ${facts.seconds} s`,
      `answers ${Object.entries(counts)
        .map(([answer, count]) => `${answer}: ${count}`)
        .join(', ')}`,
      `latency ${spreadText(latency)}`,
      ...(skipped === 0
        ? []
        : [`skipped ${skipped}: ${MOST_OPEN} were without an answer, the server cannot keep up`]),
    ].join('\n'),
  );
  return accepted === planned ? 0 : 1;
};
