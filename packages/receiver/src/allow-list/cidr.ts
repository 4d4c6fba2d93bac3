/** An address as its bytes, 4 or 16; IPv4 that is written as IPv6 counts as IPv4. */
type Address = readonly number[];

const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255];

/** Reads an address without port, brackets or zone; null for anything else. */
export const parseAddress = (text: string): Address | null => {
  const bytes = text.includes(':') ? parseV6(text) : parseV4(text);
  const mapped = bytes?.length === 16 && MAPPED.every((byte, index) => bytes[index] === byte);
  return mapped ? bytes.slice(12) : bytes;
};

const parseV4 = (text: string): Address | null => {
  if (!/^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(text)) return null;
  const bytes = text.split('.').map(Number);
  return bytes.every((byte) => byte < 256) ? bytes : null;
};

const parseV6 = (text: string): Address | null => {
  const [head = '', tail, ...more] = text.split('::');
  if (more.length > 0) return null;
  const before = groups(head, tail === undefined);
  const after = tail === undefined ? [] : groups(tail, true);
  if (before === null || after === null) return null;
  const missing = 16 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 2) return null;
  return [...before, ...Array.from({ length: missing }, () => 0), ...after];
};

/** Bytes of colon-separated groups, of which an address' last may be an IPv4 address. */
const groups = (text: string, endsAddress: boolean): Address | null => {
  if (text === '') return [];
  const all = text.split(':');
  const bytes: number[] = [];
  for (const [index, group] of all.entries()) {
    const v4 = endsAddress && index === all.length - 1 && group.includes('.') ? parseV4(group) : null;
    if (v4 !== null) bytes.push(...v4);
    else if (/^[\da-f]{1,4}$/i.test(group))
      bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255);
    else return null;
  }
  return bytes;
};

type Subnet = { readonly bytes: Address; readonly bits: number };

/** Reads `192.0.2.0/24`, `2001:db8::/32` or a single address; null for anything else. */
export const parseSubnet = (text: string): Subnet | null => {
  const [address = '', prefix, ...more] = text.split('/');
  const bytes = parseAddress(address);
  if (bytes === null || more.length > 0) return null;
  if (prefix === undefined) return { bytes, bits: bytes.length * 8 };
  // ::ffff:192.0.2.0/120 is 192.0.2.0/24.
  const bits = /^\d{1,3}$/.test(prefix)
    ? Number(prefix) - (address.includes(':') && bytes.length === 4 ? 96 : 0)
    : -1;
  return bits >= 0 && bits <= bytes.length * 8 ? { bytes, bits } : null;
};

/**
 * Whether an address is one of these addresses and subnets. What is no address is not.
 *
 * @throws TypeError at once when one of them cannot be read.
 */
export const addressMatcher = (subnets: readonly string[]): ((address: string) => boolean) => {
  const all = subnets.map((text) => {
    const subnet = parseSubnet(text);
    if (subnet === null) throw new TypeError(`expected an address or subnet, got '${text}'`);
    return subnet;
  });
  return (text) => {
    const address = parseAddress(text);
    return address !== null && all.some((subnet) => contains(subnet, address));
  };
};

const contains = ({ bytes, bits }: Subnet, address: Address): boolean =>
  bytes.length === address.length &&
  bytes.every((byte, index) => {
    const shift = 8 - Math.min(8, Math.max(0, bits - index * 8));
    return byte >> shift === (address[index] ?? 0) >> shift;
  });
