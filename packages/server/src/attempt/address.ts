import { BlockList, isIP } from 'node:net';

/**
 * Not reachable from the public internet, reserved, or known to belong to a cloud's inside.
 * IANA special-purpose registries, and 168.63.129.16 (a cloud's host agent in public space).
 */
const FORBIDDEN_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

/** IPv6 is judged the other way round: this is all that is global, the next list is taken out. */
const GLOBAL_IPV6 = ['2000::/3'];
const FORBIDDEN_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20'];

/** What is wrong with the entries of a list of subnets, for people; null when nothing is. */
export const subnetsProblem = (subnets: readonly string[]): string | null => {
  try {
    toBlockList(subnets);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
};

/** Decides which addresses a request may reach. */
export type AddressPolicy = {
  /** True for public addresses and for those in an allowed subnet; false for what is no address. */
  readonly allows: (address: string) => boolean;
  /** True for addresses in a subnet that the operator lets through. */
  readonly exempts: (address: string) => boolean;
  readonly hasExemptions: boolean;
};

/**
 * @param allowSubnets CIDRs or single addresses that are let through.
 * @param denySubnets The same that are not, whatever else holds for them.
 * @throws Error that names the entry which is not a subnet.
 */
export const createAddressPolicy = (
  allowSubnets: readonly string[],
  denySubnets: readonly string[] = [],
): AddressPolicy => {
  const [allowed, denied] = [toBlockList(allowSubnets), toBlockList(denySubnets)];
  const isIn = (list: BlockList, address: string): boolean => {
    const family = familyOf(address);
    return family !== null && list.check(address, family);
  };
  const exempts = (address: string): boolean => isIn(allowed, address) && !isIn(denied, address);
  return {
    exempts,
    allows: (address) => !isIn(denied, address) && (isIn(allowed, address) || isPublic(address)),
    hasExemptions: allowSubnets.length > 0,
  };
};

const isPublic = (address: string): boolean => {
  switch (familyOf(address)) {
    case 'ipv4':
      return !forbidden4.check(address, 'ipv4');
    case 'ipv6':
      return global6.check(address, 'ipv6') && !forbidden6.check(address, 'ipv6');
    case null:
      return false;
  }
};

// A zone (fe80::1%eth0) names an interface of this machine: never an address of the outside.
const familyOf = (address: string): 'ipv4' | 'ipv6' | null => {
  const version = address.includes('%') ? 0 : isIP(address);
  return version === 4 ? 'ipv4' : version === 6 ? 'ipv6' : null;
};

const toBlockList = (subnets: readonly string[]): BlockList => {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [address = '', prefix, ...rest] = subnet.trim().split('/');
    const family = familyOf(address);
    const bits = family === 'ipv4' ? 32 : 128;
    const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
    if (family === null || rest.length > 0 || length < 0 || length > bits)
      throw new Error(`'${subnet}' is not a subnet; write it like 10.0.0.0/8, fd00::/8 or 192.0.2.7.`);
    list.addSubnet(address, length, family);
  }
  return list;
};

const forbidden4 = toBlockList(FORBIDDEN_IPV4);
const global6 = toBlockList(GLOBAL_IPV6);
const forbidden6 = toBlockList(FORBIDDEN_IPV6);
