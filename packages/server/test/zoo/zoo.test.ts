// Every hostile receiver of tools/zoo, delivered to by a process of its own: the verdict, the time and the
// memory of each, a healthy neighbour that must not notice, and nothing left behind.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exhibits, openZoo, type Zoo } from '../../../../tools/zoo/zoo.ts';
import { expectations, TIMES } from './expectations.ts';
import { CANARY, type Errand, type Outcome, type Task, type Told } from './sender.ts';

const MB = 1024 * 1024;
/** What a machine five times slower than most may take longer than the deadline itself. */
const SLACK_MS = 4_000;
/** Garbage that has not been collected yet is in it. */
const MOST_PEAK_BYTES = 64 * MB;
const MOST_LEFT_BYTES = 8 * MB;
const MANY = 500;

type End = Extract<Told, { kind: 'end' }>;

const sendTo = async (
  task: Task,
): Promise<{ outcomes: Map<string, Outcome>; end: End; code: number | null }> => {
  const child = fork(fileURLToPath(new URL('sender.ts', import.meta.url)), {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const outcomes = new Map<string, Outcome>();
  let end: End | undefined;
  child.on('message', (told: Told) => {
    if (told.kind === 'end') end = told;
    else outcomes.set(told.outcome.name, told.outcome);
  });
  child.send(task);
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  if (end === undefined)
    throw new Error(`the sender ended with ${String(code)} after ${String([...outcomes.keys()].at(-1))}`);
  return { outcomes, end, code };
};

let zoo: Zoo;
let sent: Awaited<ReturnType<typeof sendTo>>;
beforeAll(async () => {
  zoo = await openZoo(exhibits, TIMES.timeoutMs - 150);
  const errands = exhibits.map(({ name, send }): Errand => ({
    name,
    url: zoo.opened.get(name)!.url,
    bytes: send?.bytes ?? 100,
    times: Math.ceil((send?.times ?? 1) / (name === 'many-origins' ? 20 : 1)),
    together: name === 'many-origins' ? 20 : 1,
    settings: {
      ...TIMES,
      extraCa: [zoo.place.authority.certificate],
      maxSockets: name === 'many-origins' ? 30 : 1_024,
      ...expectations[name]?.settings,
    },
    fresh: name === 'dns-rebinding',
  }));
  const crowd: Errand = {
    ...errands.find(({ name }) => name === 'endless-body')!,
    name: 'crowd',
    together: MANY,
    settings: { ...TIMES, timeoutMs: 15_000, connectTimeoutMs: 15_000 },
  };
  sent = await sendTo({
    errands: [...errands, crowd],
    healthyUrl: zoo.healthy.url,
    nameServer: zoo.place.names.address,
  });
}, 180_000);
afterAll(() => zoo?.close());

const outcomeOf = (name: string): Outcome => {
  const outcome = sent.outcomes.get(name);
  if (outcome === undefined) throw new Error(`nothing came of ${name}`);
  return outcome;
};

describe('the zoo', () => {
  it('has all fifty-two kinds, each name once, and Posthorn an expectation of each', () => {
    const kinds = new Set([...exhibits.map(({ kind }) => kind), 52]);
    expect([...kinds].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 52 }, (_, index) => index + 1));
    const names = exhibits.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(Object.keys(expectations).toSorted()).toEqual(names.toSorted());
  });

  it.each(exhibits)('$kind $name', ({ name, send }) => {
    const expected = expectations[name]!;
    const { results, verdicts, waitMs, longestMs, sizes, ...rest } = outcomeOf(name);
    for (const result of results)
      expect(expected.results.map((one) => expect.objectContaining(one))).toContainEqual(result);
    if (expected.results.length === 1) expect(verdicts).toEqual([expected.verdict]);
    if (expected.waitsMs !== undefined) expect(waitMs).toBe(expected.waitsMs);

    const { timeoutMs } = { ...TIMES, ...expected.settings };
    expect(longestMs).toBeLessThan(timeoutMs + SLACK_MS);
    // What is no matter of waiting does not wait for the deadline.
    if (expected.slow !== true && name !== 'one-dead-address')
      expect(longestMs).toBeLessThan(TIMES.dnsTimeoutMs + SLACK_MS);

    expect(rest.keptBytes).toBeLessThanOrEqual(16_384);
    expect(rest.keptHeaders).toBeLessThanOrEqual(8_192);
    // One payload may still be on its way out of a socket that has just gone.
    const payload = send?.bytes ?? 0;
    expect(rest.peakBytes).toBeLessThan(MOST_PEAK_BYTES + payload);
    expect(rest.leftBytes).toBeLessThan(MOST_LEFT_BYTES + payload);

    const { requests, trapped } = zoo.opened.get(name)!;
    expect(trapped()).toBe(0);
    const attempts = (send?.times ?? 1) + (name === 'endless-body' ? MANY : 0);
    if (expected.reaches === 'nothing') expect(requests()).toBe(0);
    else if (expected.reaches === 'some') expect(requests()).toBeLessThanOrEqual(attempts);
    // The bodies of some are never read to their end, so they do not count as requests.
    else if (send?.bytes === undefined) expect(requests()).toBe(attempts);
    expect(sizes).toMatchObject({ sockets: 0, idle: 0, inFlight: 0, waiting: 0 });
  });

  it('500 endless bodies at once: bounded memory, every one delivered, no socket left', () => {
    const { results, verdicts, peakBytes, leftBytes, longestMs, sizes } = outcomeOf('crowd');
    expect(results).toEqual([
      { kind: 'response', status: 200, retryAfter: null, bodyError: 'body_truncated' },
    ]);
    expect(verdicts).toEqual(['succeeded']);
    // A socket's own buffer of 64 KiB each, and what of them has not been collected yet.
    expect(peakBytes).toBeLessThan(128 * MB);
    expect(leftBytes).toBeLessThan(MOST_LEFT_BYTES);
    expect(longestMs).toBeLessThan(15_000 + SLACK_MS);
    expect(sizes).toMatchObject({ sockets: 0, inFlight: 0, waiting: 0 });
  });

  it('of thousands of origins holds no more sockets than it may', () => {
    expect(outcomeOf('many-origins').mostSockets).toBeLessThanOrEqual(30);
  });

  it('a name that leads elsewhere at every question was asked, and reached only where it may', () => {
    expect(zoo.place.names.asked('dns-rebinding.zoo.example')).toBeGreaterThanOrEqual(20);
    expect(zoo.opened.get('dns-rebinding')!.connections()).toBeGreaterThan(0);
    expect(outcomeOf('dns-rebinding').results).toHaveLength(2);
  });

  it('bytes that are poison are kept as they came, and secrets that come back are not', () => {
    expect(outcomeOf('poison-bytes').lastBody).toBe('\x00\xff\xfe\xed\xa0\x80');
    expect(outcomeOf('compressed-unasked').lastBody).toBe('\x1f\x8b\x08\xff');
    expect(outcomeOf('latin1-headers').lastHeaders).toContain('x-odd: ÿþé\r\n');
    const { lastBody, lastHeaders } = outcomeOf('echo');
    expect(lastBody).toContain('authorization: [redacted]');
    expect(lastHeaders).toContain('x-seen: [redacted]');
    expect(lastBody + lastHeaders).not.toContain(CANARY.slice('Bearer '.length));
  });

  it('a healthy neighbour notices nothing', () => {
    const { attempts, failed, longestMs } = sent.end.neighbour;
    expect({ failed }).toEqual({ failed: 0 });
    expect(attempts).toBeGreaterThan(100);
    expect(longestMs).toBeLessThan(SLACK_MS);
  });

  it('the sender ends well: no unhandled rejection, no socket, no exit', () => {
    expect(sent.end.unhandled).toEqual([]);
    expect(sent.end.resources).toEqual([]);
    expect(sent.code).toBe(0);
  });
});
