import type { DispatchStore } from '../../src/dispatch/port.ts';
import type { Claim } from '../../src/dispatch/share.ts';
import type { Run } from './model-run.ts';
import type { ShareRow } from './rows.ts';

/** Shares of the rates of applications, in memory. */
export const createModelShares = (run: Run): Pick<DispatchStore, 'dealShares'> => ({
  dealShares: (asked) =>
    run(async (tx) => {
      const dealt = new Map<string, readonly Claim[]>();
      const inOrder = [...asked].sort((a, b) => (a.applicationId < b.applicationId ? -1 : 1));
      for (const { applicationId, limit, claim, holdMs } of inOrder) {
        const row = await tx.lock<ShareRow>('share', applicationId);
        // By the time at which the row is free: a statement that had to wait looks at the clock again.
        const nowMs = tx.world.nowMs();
        const others = [...(row?.claims ?? [])].filter(
          ([node, { untilMs }]) => node !== claim.node && untilMs > nowMs,
        );
        const taken = others.reduce((sum, [, { share }]) => sum + share, 0);
        const share = Math.max(0, Math.min(claim.share, limit - taken));
        const claims = new Map([...others, [claim.node, { ...claim, share, untilMs: tx.nowMs + holdMs }]]);
        tx.write('share', applicationId, { applicationId, claims } satisfies ShareRow);
        dealt.set(
          applicationId,
          [...claims.values()].map(({ untilMs: _until, ...rest }) => rest),
        );
      }
      return dealt;
    }),
});
