import type { IncomingRequest, Refused } from '../contract.ts';
import { refuse } from '../errors.ts';
import { headerValues, onlyHeader } from '../headers.ts';
import { addressMatcher, parseAddress } from './cidr.ts';

/** Where the sender's address is. */
export type AddressFrom = {
  /**
   * How many proxies of yours stand in front, each of which adds the address that it sees to the
   * right of X-Forwarded-For. What stands further left was written by the sender. @default 0
   */
  readonly trustedHops?: number;
  /** A header that your platform overwrites with the sender's address, `cf-connecting-ip` for instance. */
  readonly addressHeader?: string;
  /** Addresses and subnets of your proxies, if others can reach this process too. */
  readonly trustedProxies?: readonly string[];
};

/** The address of the sender of a request, without its port. */
export const clientAddress = (
  { headers, peerAddress = '' }: Pick<IncomingRequest, 'headers' | 'peerAddress'>,
  { trustedHops = 0, addressHeader, trustedProxies }: AddressFrom = {},
): { readonly address: string } | Refused => {
  if (trustedProxies !== undefined && !addressMatcher(trustedProxies)(peerAddress))
    return refuse('untrusted_proxy', 'The request did not come from one of the trusted proxies.');
  const found =
    addressHeader === undefined ? hop(headers, peerAddress, trustedHops) : onlyHeader(headers, addressHeader);
  if (typeof found !== 'string') return found;
  const address = withoutPort(found.trim());
  return parseAddress(address) === null
    ? refuse(
        'address_unknown',
        addressHeader === undefined && trustedHops > 0
          ? `X-Forwarded-For has no address of hop ${trustedHops}. Set trustedHops to the number of proxies in front.`
          : 'The sender’s address is not known here. Behind a proxy set trustedHops; on a platform without connections, addressHeader.',
      )
    : { address };
};

const hop = (headers: IncomingRequest['headers'], peerAddress: string, hops: number): string => {
  if (hops === 0) return peerAddress;
  const chain = headerValues(headers, 'x-forwarded-for').flatMap((value) => value.split(','));
  return chain[chain.length - hops] ?? '';
};

/** `192.0.2.1:8080`, `[2001:db8::1]:8080` and `[2001:db8::1]` occur; so does a zone (`fe80::1%eth0`). */
const withoutPort = (text: string): string =>
  text
    .replace(/^\[([^\]]*)\](:\d+)?$/, '$1')
    .replace(/^([\d.]+):\d+$/, '$1')
    .replace(/%.*$/, '');
