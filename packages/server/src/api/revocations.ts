/** Tokens of an application: all, those of a session, or the one with this digest. */
export type RevokedSubject = '*' | `session ${string}` | `token ${string}`;

export type Revocation = {
  readonly orgId: string;
  readonly applicationId: string;
  readonly subject: RevokedSubject;
  /** Tokens that were made before (Unix milliseconds) … */
  readonly issuedBeforeMs: number;
  /** … do not hold from then on. */
  readonly effectiveAtMs: number;
  /** No such token can be valid any more; null: nobody knows. */
  readonly untilMs: number | null;
};

export type RevocationStore = {
  readonly add: (revocations: readonly Revocation[]) => Promise<void>;
  /**
   * Those written since a moment of the database (null: all that still matter), some of them again;
   * and the moment to ask from the next time.
   */
  readonly since: (
    fromMs: number | null,
  ) => Promise<{ readonly revocations: readonly Revocation[]; readonly nextMs: number }>;
  /** Deletes what no longer matters. */
  readonly prune: () => Promise<void>;
};

/** An application's token, as far as it can be taken back. */
export type RevocableToken = {
  readonly applicationId: string;
  /** null: it does not say. Then whatever revokes the application's tokens revokes it. */
  readonly issuedAtMs: number | null;
  readonly sessionId: string | null;
  readonly digest: string;
};

export type Revocations = {
  /** Never waits: by what this process knows. */
  readonly isRevoked: (token: RevocableToken) => boolean;
  /** Written, and in force in this process, when it resolves. */
  readonly revoke: (revocations: readonly Revocation[]) => Promise<void>;
  /** Takes in what other processes have written. */
  readonly refresh: () => Promise<void>;
};

/**
 * The tokens that were taken back, in memory: a token that is checked costs no statement. Other
 * processes' are in force here at the latest one `refresh` after they were answered.
 */
export const createRevocations = (store: RevocationStore, nowMs: () => number): Revocations => {
  const known = new Map<string, Revocation[]>();
  let fromMs: number | null = null;

  const keyOf = (applicationId: string, subject: RevokedSubject): string => `${applicationId} ${subject}`;
  const take = (revocation: Revocation): void => {
    const key = keyOf(revocation.applicationId, revocation.subject);
    // Earlier in force for at least as many tokens: the other one says nothing more.
    const rest = (known.get(key) ?? []).filter(
      (one) => one.issuedBeforeMs > revocation.issuedBeforeMs || one.effectiveAtMs < revocation.effectiveAtMs,
    );
    known.set(key, [...rest, revocation]);
  };
  const isHit = (subject: RevokedSubject, { applicationId, issuedAtMs }: RevocableToken): boolean =>
    known
      .get(keyOf(applicationId, subject))
      ?.some((one) => one.effectiveAtMs <= nowMs() && (issuedAtMs ?? 0) < one.issuedBeforeMs) === true;

  return {
    isRevoked: (token) =>
      known.size > 0 &&
      (isHit('*', token) ||
        isHit(`token ${token.digest}`, token) ||
        (token.sessionId !== null && isHit(`session ${token.sessionId}`, token))),
    revoke: async (revocations) => {
      await store.add(revocations);
      for (const revocation of revocations) take(revocation);
    },
    refresh: async () => {
      const { revocations, nextMs } = await store.since(fromMs);
      for (const revocation of revocations) take(revocation);
      fromMs = nextMs;
    },
  };
};
