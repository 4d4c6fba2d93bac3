import type { IncomingRequest, Refused } from '../contract.ts';
import { refuse } from '../errors.ts';
import { type AddressFrom, clientAddress } from './client-address.ts';
import { type AddressList, fixedList } from './lists.ts';

export { addressMatcher } from './cidr.ts';
export { type AddressFrom, clientAddress } from './client-address.ts';
export {
  type AddressList,
  fixedList,
  githubAddresses,
  posthornAddresses,
  publishedList,
  stripeAddresses,
} from './lists.ts';

/** What a handler asks before it reads the body. */
export type AllowList = {
  readonly check: (
    request: Pick<IncomingRequest, 'headers' | 'peerAddress'>,
  ) => Promise<{ readonly ok: true; readonly address: string } | Refused>;
  /** Fetches all lists again. */
  readonly refresh: () => Promise<void>;
};

/**
 * Takes requests only from addresses that are on one of the lists; plain addresses and subnets
 * may stand among them. A list that cannot be had refuses those who are on none of the others
 * with `addresses_unavailable` (503, so that the sender tries again).
 *
 * ```ts
 * const allow = allowList([githubAddresses(), '192.0.2.0/24'], { trustedHops: 1 });
 * ```
 *
 * @throws TypeError at once when there is no list, or an address cannot be read.
 */
export const allowList = (lists: readonly (AddressList | string)[], from: AddressFrom = {}): AllowList => {
  if (lists.length === 0) throw new TypeError('expected at least one list or address to allow');
  const all = lists.map((list) => (typeof list === 'string' ? fixedList([list]) : list));
  return {
    check: async (request) => {
      const found = clientAddress(request, from);
      if ('ok' in found) return found;
      const { address } = found;
      const answers = await Promise.all(all.map((list) => list.has(address)));
      if (answers.includes(true)) return { ok: true, address };
      return answers.includes(null)
        ? {
            ...refuse('addresses_unavailable', 'A list of allowed addresses cannot be fetched now.'),
            log: `the allow-list cannot be fetched: ${all.flatMap((list) => list.problem?.() ?? []).join('; ') || 'no reason known'}`,
          }
        : refuse('address_not_allowed', `The address ${address} is not on the allow-list.`);
    },
    refresh: async () => {
      await Promise.all(all.map((list) => list.refresh()));
    },
  };
};
