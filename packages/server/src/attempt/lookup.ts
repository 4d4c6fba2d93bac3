import type { Clock } from '../clock.ts';
import type { AttemptResult } from '../domain/attempt.ts';
import type { AddressPolicy } from './address.ts';
import type { ResolveName } from './resolver.ts';
import type { Target } from './url.ts';

/** The addresses that a connection may be made to, or the attempt's result. */
export type LookupResult =
  | { readonly ok: true; readonly addresses: readonly string[] }
  | { readonly ok: false; readonly result: AttemptResult };

export type Lookup = (target: Target) => Promise<LookupResult>;

type Answer =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  | { readonly kind: 'failed'; readonly code: string }
  | { readonly kind: 'timeout' };

/** Connections to one origin are often opened together; answers are shared for this long. */
const KEPT_MS = 5_000;
const KEPT_NAMES = 4_096;
/** More addresses than this are not tried. */
const MOST_ADDRESSES = 6;

/**
 * Resolves and judges names. Never rejects. Every connection is made to an address out of the
 * list returned here, so what was judged is what is dialled.
 */
export const createLookup = (deps: {
  readonly clock: Clock;
  readonly resolve: ResolveName;
  readonly policy: AddressPolicy;
  readonly timeoutMs: number;
}): Lookup => {
  const known = new Map<string, { readonly answer: Promise<Answer>; readonly untilMs: number }>();
  const ask = (hostname: string): Promise<Answer> => {
    const nowMs = deps.clock.monotonicMs();
    const kept = known.get(hostname);
    if (kept !== undefined && kept.untilMs > nowMs) return kept.answer;
    known.delete(hostname);
    if (known.size >= KEPT_NAMES) for (const oldest of known.keys()) if (known.delete(oldest)) break;
    const answer = resolveWithin(deps.resolve, hostname, deps.timeoutMs);
    const entry = { answer, untilMs: nowMs + deps.timeoutMs + KEPT_MS };
    known.set(hostname, entry);
    void answer.then((settled) => {
      if (known.get(hostname) !== entry) return;
      if (isWorthKeeping(settled))
        known.set(hostname, { answer, untilMs: deps.clock.monotonicMs() + KEPT_MS });
      else known.delete(hostname);
    });
    return answer;
  };
  return async (target) =>
    target.isAddress
      ? judge({ kind: 'addresses', addresses: [target.hostname] }, target.reach, deps.policy)
      : judge(await ask(target.hostname), target.reach, deps.policy);
};

const isWorthKeeping = (answer: Answer): boolean =>
  answer.kind === 'addresses' || (answer.kind === 'failed' && answer.code === 'dns_not_found');

/**
 * A public name with one forbidden address is refused as a whole: such an answer is an attack or
 * a mistake, and which address was the forbidden one is nobody's business. Of a local name
 * (localhost is often ::1 and 127.0.0.1) the allowed addresses are used.
 */
const judge = (answer: Answer, reach: Target['reach'], policy: AddressPolicy): LookupResult => {
  switch (answer.kind) {
    case 'timeout':
      return { ok: false, result: { kind: 'timeout', phase: 'dns' } };
    case 'failed':
      return { ok: false, result: { kind: 'dns', code: answer.code } };
    case 'addresses': {
      const isAllowed = reach === 'exempt' ? policy.exempts : policy.allows;
      const allowed = answer.addresses.filter((address) => isAllowed(address));
      const isRefused = allowed.length === 0 || (reach === 'all' && allowed.length < answer.addresses.length);
      return isRefused
        ? { ok: false, result: { kind: 'refused', why: 'blocked_address' } }
        : { ok: true, addresses: allowed.slice(0, MOST_ADDRESSES) };
    }
  }
};

const resolveWithin = (resolve: ResolveName, hostname: string, timeoutMs: number): Promise<Answer> =>
  new Promise((settle) => {
    const timer = setTimeout(() => settle({ kind: 'timeout' }), timeoutMs);
    const end = (answer: Answer): void => {
      clearTimeout(timer);
      settle(answer);
    };
    resolve(hostname).then(
      (addresses) =>
        end(
          addresses.length > 0 ? { kind: 'addresses', addresses } : { kind: 'failed', code: 'dns_not_found' },
        ),
      (error: unknown) => end(failureOf(error)),
    );
  });

const failureOf = (error: unknown): Answer => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'ENOTFOUND':
    case 'ENODATA':
    case 'EAI_NODATA':
      return { kind: 'failed', code: 'dns_not_found' };
    case 'ETIMEOUT':
      return { kind: 'timeout' };
    default:
      return { kind: 'failed', code: 'dns_failed' };
  }
};
