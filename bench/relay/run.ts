import { randomBytes } from 'node:crypto';
import { cpus } from 'node:os';
import { startDurable } from './durable.ts';
import { signToken } from '../shared/server.ts';
import type { LoadOperations } from '../shared/load.ts';
import { groupsOf, memory, type Memory } from '../shared/measure.ts';
import { choosePinning, pin, type Pinning } from './pin.ts';
import { type Case, type CaseName, cases, orderOf, type SubjectName } from './plan.ts';
import type { ReceiverOperations } from '../shared/receiver.ts';
import type { RelayOptions } from './reference-relay.ts';
import { report } from './report.ts';
import { type Result, type Round, summarize } from './result.ts';
import { type LoadShape, type Measurement, measureRound, type Surroundings } from './round.ts';
import { median } from '../shared/statistics.ts';
import { partsOf, startRelay, type Subject } from './subject.ts';
import { measureTwo, type TwoProcesses } from './two.ts';
import { Worker } from '../shared/worker.ts';

export interface RelayRunOptions {
  readonly seconds: number;
  readonly rounds: number;
  /** Leaves the durable side out: how steady are the relays on this machine? */
  readonly relaysOnly: boolean;
  /** Gives the process under test a processor of its own where the system allows it. */
  readonly pin: boolean;
  /** Progress for people, one line at a time. */
  readonly log: (line: string) => void;
}

/** No round is begun after this, so that the whole run ends within five minutes. */
const lastRoundAtMs = 225_000;
const warmUpMs = 3000;
const latencyRounds = 2;
const relayDefaults = { connections: 20, outstanding: 1024 };

/** Runs the comparison and cleans up after itself, however it ends. */
export async function runRelay(options: RelayRunOptions): Promise<{ result: Result; text: string }> {
  const startedAtMs = performance.now();
  const two = options.relaysOnly ? undefined : await measureTwo(options.seconds, options.log);
  const cleanups: (() => Promise<void>)[] = [];
  const cleanUp = async (): Promise<void> => {
    for (const clean of cleanups.splice(0).reverse()) await clean();
  };
  const interrupted = (): void => {
    void cleanUp().finally(() => process.exit(130));
  };
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    const around = await startSurroundings(cleanups);
    const target = `http://127.0.0.1:${around.receiver.ready}/hook`;
    const subjects = await startSubjects(target, options, cleanups);
    const pinning = options.pin ? choosePinning() : undefined;
    if (pinning !== undefined) pinAll(pinning, around, subjects);
    const run = new Run(around, subjects, options, startedAtMs, pinning, two);
    const result = await run.go();
    return { result, text: report(result) };
  } finally {
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
    await cleanUp();
  }
}

async function startSurroundings(cleanups: (() => Promise<void>)[]): Promise<Surroundings> {
  const file = (name: string): URL => new URL(name, import.meta.url);
  const receiver = await Worker.start<ReceiverOperations, number>(file('../shared/receiver.ts'), {});
  cleanups.push(() => receiver.stop());
  const generator = await Worker.start<LoadOperations, undefined>(file('../shared/load.ts'), {});
  cleanups.push(() => generator.stop());
  return { receiver, generator, nextSequence: 1 };
}

type Subjects = ReadonlyMap<SubjectName, Subject>;

async function startSubjects(
  target: string,
  options: RelayRunOptions,
  cleanups: (() => Promise<void>)[],
): Promise<Subjects> {
  const subjects = new Map<SubjectName, Subject>();
  const add = async (name: SubjectName, starting: Promise<Subject>): Promise<void> => {
    const subject = await starting;
    cleanups.push(() => subject.stop());
    subjects.set(name, subject);
  };
  const secret = `whsec_${randomBytes(24).toString('base64')}`;
  const relay: RelayOptions = { target, secret, ...relayDefaults };
  const token = signToken(secret);
  const file = (name: string): URL => new URL(name, import.meta.url);
  await add('reference', startRelay('reference', file('reference-relay.ts'), relay, token));
  await add('relayHono', startRelay('relayHono', file('hono-relay.ts'), relay, token));
  if (!options.relaysOnly) await add('durable', startDurable(target));
  return subjects;
}

function pinAll(pinning: Pinning, around: Surroundings, subjects: Subjects): void {
  const others = [process.pid, around.generator.pid, around.receiver.pid];
  for (const subject of subjects.values()) {
    const { node, postgres } = groupsOf(partsOf(subject, around.generator.pid, around.receiver.pid));
    pin(node, pinning.subject);
    others.push(...postgres);
  }
  pin(others, pinning.others);
}

class Run {
  readonly #around: Surroundings;
  readonly #subjects: Subjects;
  readonly #options: RelayRunOptions;
  readonly #startedAtMs: number;
  readonly #cases: readonly Case[];
  readonly #pinning: Pinning | undefined;
  readonly #two: TwoProcesses | undefined;

  constructor(
    around: Surroundings,
    subjects: Subjects,
    options: RelayRunOptions,
    startedAtMs: number,
    pinning: Pinning | undefined,
    two: TwoProcesses | undefined,
  ) {
    this.#two = two;
    this.#pinning = pinning;
    this.#around = around;
    this.#subjects = subjects;
    this.#options = options;
    this.#startedAtMs = startedAtMs;
    this.#cases = cases.filter(({ subject }) => subjects.has(subject));
  }

  async go(): Promise<Result> {
    const { seconds, rounds, log } = this.#options;
    for (const one of this.#cases) {
      await this.#measure(one.subject, { ...one.shape, durationMs: warmUpMs });
    }
    const measured: Round[] = [];
    for (let index = 0; index < rounds && performance.now() - this.#startedAtMs < lastRoundAtMs; index++) {
      const round: Partial<Record<CaseName, Measurement>> = {};
      for (const one of orderOf(this.#cases, index)) {
        round[one.name] = await this.#measure(one.subject, { ...one.shape, durationMs: seconds * 1000 });
      }
      measured.push(round);
      log(`round ${index + 1}/${rounds}: ${roundLine(round)}`);
    }
    return summarize({
      rounds: measured,
      memory: this.#memory(),
      two: this.#two,
      latency: await this.#latency(measured),
      machine: machine(this.#pinning),
      seconds,
    });
  }

  #measure(name: SubjectName, shape: LoadShape): Promise<Measurement> {
    const subject = this.#subjects.get(name);
    if (subject === undefined) throw new Error(`${name} is not running`);
    return measureRound(this.#around, subject, shape);
  }

  #memory(): Record<string, Memory> {
    const { generator, receiver } = this.#around;
    return Object.fromEntries(
      [...this.#subjects].map(([name, subject]) => [
        name,
        memory(partsOf(subject, generator.pid, receiver.pid)),
      ]),
    );
  }

  /** Both sides at the same rate: half of what the slower one can do. */
  async #latency(measured: readonly Round[]): Promise<Record<string, Measurement[]>> {
    const names: SubjectName[] = this.#subjects.has('durable')
      ? ['reference', 'durable']
      : ['reference', 'relayHono'];
    const rates = names.map((name) =>
      median(measured.map((round) => round[name]?.perSecond).filter((rate) => rate !== undefined)),
    );
    const rate = Math.round(Math.min(...rates) / 2);
    const found: Record<string, Measurement[]> = {};
    for (let index = 0; index < latencyRounds; index++) {
      for (const name of orderOf(names, index)) {
        const durationMs = this.#options.seconds * 1000;
        const shape = { batch: 1, keys: false, connections: 128, rate, durationMs };
        (found[name] ??= []).push(await this.#measure(name, shape));
      }
    }
    return found;
  }
}

function roundLine(round: Round): string {
  return Object.entries(round)
    .map(([name, { perSecond, cpuUs, void: reason }]) => {
      const postgres = cpuUs.postgres > 0 ? `+${cpuUs.postgres.toFixed(0)}` : '';
      const mark = reason === undefined ? '' : ' void';
      return `${name} ${perSecond.toFixed(0)}/s ${cpuUs.node.toFixed(0)}${postgres}µs${mark}`;
    })
    .join(', ');
}

function machine(pinning: Pinning | undefined): Record<string, string | number> {
  return {
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? 'unknown',
    node: process.version,
    pinned:
      pinning === undefined
        ? 'no'
        : `process under test on processor ${pinning.subject}, everything else on ${pinning.others}`,
    platform: `${process.platform} ${process.arch}`,
  };
}
