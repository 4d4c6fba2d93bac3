/** What a program hands in instead of the runtime's own. */
export type FetchOptions = {
  /** @default the runtime's fetch */
  readonly fetch?: (
    url: string,
    init: { signal: AbortSignal; headers: Record<string, string> },
  ) => Promise<Response>;
  /** Unix time in milliseconds. @default the machine's clock */
  readonly nowMs?: () => number;
  /** After this time the answer is fetched again, beside the requests. @default 1 hour */
  readonly refreshMs?: number;
  /** How old an answer may get while fetching it again fails. @default 7 days */
  readonly staleMs?: number;
  /** @default 3 seconds */
  readonly timeoutMs?: number;
};

export type Fetched<T> = {
  /**
   * The value: at once when it is known, even while it is fetched again; after a fetch when it is
   * not, or is older than `staleMs`; null when that fails.
   */
  readonly get: () => Promise<T | null>;
  /** Fetches again; false when that failed and the older value stays. Never rejects. */
  readonly refresh: () => Promise<boolean>;
  /** Why the last try failed; null when it did not. For this side's log. */
  readonly problem: () => string | null;
  /** Fetches again unless that was tried just now: for a request that misses something. */
  readonly renew: () => Promise<void>;
};

/** Between two tries to fetch, however many requests ask. */
const RETRY_MS = 30_000;
const MOST_BYTES = 1024 * 1024;

/** The system's code behind fetch's own sentence, or the sentence. */
const reasonOf = (error: unknown): string => {
  const { message, cause } = error as Error & { cause?: { code?: string } };
  return cause?.code ?? message;
};

type Response = Awaited<ReturnType<typeof fetch>>;

/**
 * A value that is fetched from a URL as JSON, kept in memory, and kept on when fetching fails.
 *
 * @param read - Makes the value of the JSON. What it throws counts as a failed fetch.
 */
export const fetched = <T>(url: string, read: (json: unknown) => T, options: FetchOptions): Fetched<T> => {
  const { nowMs = Date.now, refreshMs = 3_600_000, staleMs = 7 * 86_400_000, timeoutMs = 3_000 } = options;
  const call = options.fetch ?? ((to, init) => fetch(to, init));
  let value: { readonly it: T; readonly atMs: number } | null = null;
  let triedAtMs = -Infinity;
  let problem: string | null = null;
  const fail = (why: string): false => {
    problem = `${url} ${why}`;
    return false;
  };
  let running: Promise<boolean> | null = null;

  const load = async (): Promise<boolean> => {
    try {
      const response = await call(url, {
        signal: AbortSignal.timeout(timeoutMs),
        // GitHub refuses who does not say who they are.
        headers: { accept: 'application/json', 'user-agent': 'posthorn-receiver' },
      });
      if (!response.ok) return fail(`answered ${response.status}`);
      const text = await response.text();
      if (text.length > MOST_BYTES) return fail(`answered more than ${MOST_BYTES} bytes`);
      value = { it: read(JSON.parse(text)), atMs: nowMs() };
      problem = null;
      return true;
    } catch (error) {
      return fail(`failed: ${reasonOf(error)}`);
    }
  };

  const refresh = (): Promise<boolean> => {
    triedAtMs = nowMs();
    const mine = (running ??= load().finally(() => {
      if (running === mine) running = null;
    }));
    return mine;
  };

  const mayTry = (): boolean => nowMs() - triedAtMs >= RETRY_MS;
  const renew = async (): Promise<void> => {
    await (mayTry() ? refresh() : running);
  };

  return {
    refresh,
    renew,
    problem: () => problem,
    get: async () => {
      const ageMs = value === null ? Infinity : nowMs() - value.atMs;
      if (ageMs > staleMs) await renew();
      else if (ageMs > refreshMs && mayTry()) void refresh();
      return value !== null && nowMs() - value.atMs <= staleMs ? value.it : null;
    },
  };
};
