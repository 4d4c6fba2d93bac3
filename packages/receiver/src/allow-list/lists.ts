import { fetched, type FetchOptions } from '../fetched.ts';
import { addressMatcher } from './cidr.ts';

/** Says of an address whether it is on the list; null when the list cannot be had. */
export type AddressList = {
  readonly has: (address: string) => Promise<boolean | null>;
  /** Fetches the list again, from a timer or `waitUntil`; false when that failed. */
  readonly refresh: () => Promise<boolean>;
  /** Why the list cannot be had; null when it can. For this side's log. */
  readonly problem?: () => string | null;
};

/** Addresses and subnets that you name. @throws TypeError when one cannot be read. */
export const fixedList = (subnets: readonly string[]): AddressList => {
  const has = addressMatcher(subnets);
  return { has: async (address) => has(address), refresh: async () => true };
};

/**
 * A list that somebody publishes as JSON.
 *
 * It is kept for `refreshMs` and then fetched again beside the requests. Fetching failed: the
 * older list stays in force for `staleMs`, and then there is none. An answer without a single
 * address, or with one that cannot be read, counts as failed.
 *
 * @param path - The name of the array in the answer.
 */
export const publishedList = (url: string, path: string, options: FetchOptions = {}): AddressList => {
  const list = fetched(url, (json) => addressMatcher(subnetsIn(json, path)), options);
  return {
    refresh: list.refresh,
    problem: list.problem,
    has: async (address) => {
      const has = await list.get();
      return has === null ? null : has(address);
    },
  };
};

const subnetsIn = (json: unknown, path: string): string[] => {
  const subnets = (json as Record<string, unknown>)[path];
  if (!Array.isArray(subnets) || subnets.length === 0) throw new TypeError(`expected addresses in ${path}`);
  return subnets.map(String);
};

/**
 * Where a Posthorn server sends from: its `GET /api/v1/egress-ips`.
 *
 * @param server - Its public address, `https://hooks.example.com`.
 */
export const posthornAddresses = (server: string, options: FetchOptions = {}): AddressList =>
  publishedList(`${server.replace(/\/$/, '')}/api/v1/egress-ips`, 'ips', options);

/** Where GitHub's webhooks come from. */
export const githubAddresses = (options: FetchOptions = {}): AddressList =>
  publishedList('https://api.github.com/meta', 'hooks', options);

/** Where Stripe's webhooks come from. */
export const stripeAddresses = (options: FetchOptions = {}): AddressList =>
  publishedList('https://stripe.com/files/ips/ips_webhooks.json', 'WEBHOOKS', options);
