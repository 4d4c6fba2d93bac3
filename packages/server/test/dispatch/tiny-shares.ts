import type { ShareRequest } from '../../src/dispatch/port.ts';
import type { Claim } from '../../src/dispatch/share.ts';

/** By application. */
export type SharesTable = Map<string, readonly (Claim & { readonly untilMs: number })[]>;

/** Claims as the store deals them, at one moment. */
export const dealShares = (
  table: SharesTable,
  asked: readonly ShareRequest[],
  nowMs: number,
): ReadonlyMap<string, readonly Claim[]> => {
  const dealt = new Map<string, readonly Claim[]>();
  for (const { applicationId, limit, claim, holdMs } of asked) {
    const others = (table.get(applicationId) ?? []).filter(
      ({ node, untilMs }) => node !== claim.node && untilMs > nowMs,
    );
    const taken = others.reduce((sum, { share }) => sum + share, 0);
    const share = Math.max(0, Math.min(claim.share, limit - taken));
    const claims = [...others, { ...claim, share, untilMs: nowMs + holdMs }];
    table.set(applicationId, claims);
    dealt.set(applicationId, claims);
  }
  return dealt;
};
