import { randomBytes } from 'node:crypto';
import { openPool } from '../shared/pool.ts';
import { signToken } from '../shared/server.ts';
import { APPLICATIONS, startSpreadLoad, type Target } from '../shared/spread.ts';
import { pairedRatios, type Spread, spread } from '../shared/statistics.ts';
import { startRelay, type Subject } from './subject.ts';

/** A pool of two processes against two reference relays, messages a second in each round. */
export interface TwoProcesses {
  readonly ratio: Spread | undefined;
  readonly durable: readonly number[];
  readonly relays: readonly number[];
}

const WARM_UP_MS = 1_500;
const ROUNDS = 3;
const RELAY = { connections: 20, outstanding: 1024 };

/**
 * Measures both, round by round. Nothing is pinned: three or four busy processes on two processors are best
 * placed by the kernel. So it must run before the rest pins this process and with it what it starts.
 */
export async function measureTwo(seconds: number, log: (line: string) => void): Promise<TwoProcesses> {
  const cleanups: (() => Promise<void>)[] = [];
  try {
    const load = await startSpreadLoad();
    cleanups.push(() => load.stop());
    const secret = `whsec_${randomBytes(24).toString('base64')}`;
    const options = { target: `http://127.0.0.1:${load.port}/`, secret, ...RELAY };
    const relays: Subject[] = [];
    for (const name of ['first relay', 'second relay']) {
      const file = new URL('reference-relay.ts', import.meta.url);
      const relay = await startRelay(name, file, options, signToken(secret));
      cleanups.push(() => relay.stop());
      relays.push(relay);
    }
    const pool = await openPool(2, load.port);
    cleanups.push(() => pool.stop());
    const toRelays = Array.from({ length: APPLICATIONS }, (_, n): Target => relays[n % 2]!);
    const onRelays = (durationMs: number) =>
      load.measure(toRelays, durationMs, () => Promise.resolve(undefined));
    const onPool = (durationMs: number) => load.measure(pool.targets, durationMs, () => pool.settle());
    await onRelays(WARM_UP_MS);
    await onPool(WARM_UP_MS);
    const durable: number[] = [];
    const reference: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      reference.push(await onRelays(seconds * 1000));
      durable.push(await onPool(seconds * 1000));
      log(`two processes: ${durable.at(-1)!.toFixed()} of ${reference.at(-1)!.toFixed()} messages/s`);
    }
    return { ratio: spread(pairedRatios(durable, reference)), durable, relays: reference };
  } finally {
    for (const clean of cleanups.reverse()) await clean();
  }
}
