// A process that delivers to the zoo: what it does there must end nobody, least of all this process.
import { setImmediate as breathe, setTimeout as wait } from 'node:timers/promises';
import { createAttempter, type AttemptRequest } from '../../src/attempt/attempter.ts';
import { createResolver } from '../../src/attempt/resolver.ts';
import { type AttemptSettings, defaultAttemptSettings } from '../../src/attempt/settings.ts';
import { createClock } from '../../src/clock.ts';
import { decide } from '../../src/outcome/decide.ts';
import { retryPresets } from '../../src/outcome/retry-policy.ts';

export type Errand = {
  readonly name: string;
  readonly url: string;
  readonly bytes: number;
  /** One after the other. */
  readonly times: number;
  /** At the same time, each `times` times. */
  readonly together: number;
  readonly settings: Partial<AttemptSettings>;
  /** A new sender for each attempt: nothing remembered of names. */
  readonly fresh: boolean;
};

export type Task = {
  readonly errands: readonly Errand[];
  readonly healthyUrl: string;
  readonly nameServer: string;
};

export type Outcome = {
  readonly name: string;
  /** Each kind of result once. */
  readonly results: readonly unknown[];
  readonly verdicts: readonly string[];
  /** Of the first attempt; null where it is final. */
  readonly waitMs: number | null;
  readonly longestMs: number;
  readonly keptBytes: number;
  readonly keptHeaders: number;
  /** Of the last attempt, latin1. */
  readonly lastBody: string;
  readonly lastHeaders: string;
  /** Of heap and buffers together, above what there was before. */
  readonly peakBytes: number;
  /** The same after a collection. */
  readonly leftBytes: number;
  readonly mostSockets: number;
  /** When all is over. */
  readonly sizes: Readonly<Record<string, number>>;
};

export type Told =
  | { readonly kind: 'outcome'; readonly outcome: Outcome }
  | {
      readonly kind: 'end';
      readonly neighbour: { readonly attempts: number; readonly failed: number; readonly longestMs: number };
      readonly unhandled: readonly string[];
      /** What still holds this process: sockets, above all. */
      readonly resources: readonly string[];
    };

export const CANARY = 'Bearer canary-of-the-zoo-0123456789';

const clock = createClock();
const tell = (told: Told): void => void process.send?.(told);
const unhandled: string[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(String(reason)));
process.on('uncaughtException', (error) => unhandled.push(String(error.stack)));

const memory = (): number => {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};
const collect = async (): Promise<void> => {
  for (let round = 0; round < 3; round++) {
    (globalThis as { gc?: () => void }).gc?.();
    await breathe();
  }
};

const requestTo = (url: string, bytes: number): AttemptRequest => ({
  endpoint: {
    url,
    keys: [{ key: { kind: 'hmac256', key: Buffer.alloc(32, 1) }, expiresAtMs: null }],
    headers: [['authorization', CANARY]],
  },
  messageId: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  payload: Buffer.alloc(bytes, 'x'),
  contentType: 'application/json',
});

const senderWith = (settings: Partial<AttemptSettings>, nameServer: string) =>
  createAttempter({
    clock,
    settings: {
      ...defaultAttemptSettings,
      httpsOnly: false,
      allowSubnets: ['127.0.0.0/8', '::1/128'],
      ...settings,
    },
    resolve: createResolver({ hostsFile: false, servers: [nameServer] }),
  });

const run = async (errand: Errand, nameServer: string): Promise<Outcome> => {
  const shared = senderWith(errand.settings, nameServer);
  await collect();
  const beforeBytes = memory();
  let peakBytes = beforeBytes;
  let mostSockets = 0;
  const watch = setInterval(() => {
    peakBytes = Math.max(peakBytes, memory());
    mostSockets = Math.max(mostSockets, shared.sizes().sockets);
  }, 5);
  const results = new Map<string, unknown>();
  const verdicts = new Set<string>();
  let waitMs: number | null = null;
  let [longestMs, keptBytes, keptHeaders, lastBody, lastHeaders] = [0, 0, 0, '', ''];
  const one = async (index: number): Promise<void> => {
    const attempter = errand.fresh ? senderWith(errand.settings, nameServer) : shared;
    const report = await attempter.deliver(requestTo(errand.url.replace('*', `n${index}`), errand.bytes));
    if (errand.fresh) await attempter.close();
    const { verdict } = decide({
      result: report.result,
      attempt: 1,
      policy: retryPresets.default,
      nowMs: report.startedAtMs,
      random: 0,
      throttledSoFar: 0,
      unknownsSoFar: 0,
    });
    results.set(JSON.stringify(report.result), report.result);
    verdicts.add(verdict.kind);
    if (verdict.kind === 'retry') waitMs ??= verdict.atMs - Math.ceil(report.startedAtMs);
    longestMs = Math.max(longestMs, report.phases.totalMs);
    keptBytes = Math.max(keptBytes, report.responseBody.byteLength);
    keptHeaders = Math.max(keptHeaders, report.responseHeaders.length);
    lastBody = Buffer.from(report.responseBody).toString('latin1');
    lastHeaders = report.responseHeaders;
    peakBytes = Math.max(peakBytes, memory());
    mostSockets = Math.max(mostSockets, shared.sizes().sockets);
  };
  await Promise.all(
    Array.from({ length: errand.together }, async (_, lane) => {
      for (let time = 0; time < errand.times; time++) await one(time * errand.together + lane);
    }),
  );
  clearInterval(watch);
  await shared.close();
  await collect();
  return {
    name: errand.name,
    results: [...results.values()],
    verdicts: [...verdicts],
    waitMs,
    longestMs,
    keptBytes,
    keptHeaders,
    lastBody,
    lastHeaders,
    peakBytes: peakBytes - beforeBytes,
    leftBytes: memory() - beforeBytes,
    mostSockets,
    sizes: shared.sizes(),
  };
};

const perform = async ({ errands, healthyUrl, nameServer }: Task): Promise<void> => {
  let isOver = false;
  const neighbour = { attempts: 0, failed: 0, longestMs: 0 };
  const healthy = senderWith({}, nameServer);
  const visiting = (async () => {
    while (!isOver) {
      const { result, phases } = await healthy.deliver(requestTo(healthyUrl, 100));
      neighbour.attempts++;
      if (result.kind !== 'response' || result.status !== 200) neighbour.failed++;
      neighbour.longestMs = Math.max(neighbour.longestMs, phases.totalMs);
      await wait(5);
    }
    await healthy.close();
  })();
  for (const errand of errands) tell({ kind: 'outcome', outcome: await run(errand, nameServer) });
  isOver = true;
  await visiting;
  // Sockets that were destroyed are gone a turn later.
  for (let turn = 0; turn < 10; turn++) await wait(10);
  const resources = process.getActiveResourcesInfo().filter((name) => /TCP|TLS|UDP|Socket|QUERY/i.test(name));
  tell({ kind: 'end', neighbour, unhandled, resources });
  process.disconnect();
};
process.once('message', (task: Task) => void perform(task));
