import type { Claim } from '../contract.ts';
import type { Dedup, Reply } from './options.ts';

/** How the work on one event ended. */
export type Outcome =
  | { readonly kind: 'processed'; readonly reply: Reply }
  | { readonly kind: 'stored' }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'failed'; readonly reply?: Reply }
  | { readonly kind: 'busy'; readonly retryAfterMs: number }
  | { readonly kind: 'full'; readonly retryAfterMs: number }
  | { readonly kind: 'store_unavailable' }
  /** The sink could not tell the event's key. */
  | { readonly kind: 'key_failed' }
  /** Answered before it began; the sender comes again. */
  | { readonly kind: 'abandoned' };

/** Where the work is, for an answer that cannot wait for its end. */
export type Progress = { stage: 'claiming' | 'working' | 'worked'; outcome?: Outcome };

/** When to try again to record that the effect is safe. */
const RECORD_WAITS_MS = [100, 1_000];

/**
 * Does the work once per key: claim, work, done. A failure forgets the claim, so that the sender's
 * retry is the first again. Nothing is begun once `deadline` has aborted. Never rejects if `work`
 * does not; `overtaken` is called when the claim was lost meanwhile, `failed` with what the store
 * rejects with.
 */
export const once = async (
  { store, ttlMs, leaseMs }: Pick<Dedup, 'store' | 'ttlMs' | 'leaseMs'>,
  key: string,
  deadline: AbortSignal,
  progress: Progress,
  work: (signal: AbortSignal) => Promise<Outcome>,
  tell: { readonly overtaken: () => void; readonly failed: (error: unknown) => void },
): Promise<Outcome> => {
  let claim: Claim;
  try {
    claim = await store.claim(key, { ttlMs, leaseMs, nowMs: Date.now() });
  } catch (error) {
    tell.failed(error);
    return { kind: 'store_unavailable' };
  }
  if (claim.kind === 'done') return { kind: 'duplicate' };
  if (claim.kind === 'busy') return claim;

  const { token } = claim;
  const forget = (): Promise<void> => store.forget(key, token).catch(tell.failed);
  if (deadline.aborted) {
    await forget();
    return { kind: 'abandoned' };
  }
  progress.stage = 'working';
  const lease = new AbortController();
  const timer = setTimeout(() => lease.abort(), leaseMs);
  const outcome = await work(lease.signal);
  clearTimeout(timer);
  progress.stage = 'worked';
  progress.outcome = outcome;
  if (outcome.kind === 'processed' || outcome.kind === 'stored' || outcome.kind === 'duplicate')
    await record(() => store.done(key, token), tell);
  else await forget();
  return outcome;
};

const record = async (
  done: () => Promise<'kept' | 'lost'>,
  tell: { readonly overtaken: () => void; readonly failed: (error: unknown) => void },
): Promise<void> => {
  for (let tried = 0; ; tried += 1)
    try {
      if ((await done()) === 'lost') tell.overtaken();
      return;
    } catch (error) {
      const wait = RECORD_WAITS_MS[tried];
      if (wait === undefined) return tell.failed(error);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
};
