import { isIP } from 'node:net';
import type { RefusedReason } from '../domain/attempt.ts';
import { type AddressPolicy, createAddressPolicy } from './address.ts';
import type { AttemptSettings } from './settings.ts';

/** A URL that may be requested, taken apart once. */
export type Target = {
  readonly href: string;
  readonly origin: string;
  readonly secure: boolean;
  /** Name or address, without brackets and without a final dot. */
  readonly hostname: string;
  readonly isAddress: boolean;
  readonly port: number;
  readonly hostHeader: string;
  /** Path and query. */
  readonly path: string;
  /** `all`: every address of the name must be allowed. `exempt`: only those in allowed subnets are used. */
  readonly reach: 'all' | 'exempt';
};

export type UrlRules = {
  readonly httpsOnly: boolean;
  readonly addresses: AddressPolicy;
  readonly allowPorts: readonly number[];
};

export type UrlVerdict<Accepted> =
  | ({ readonly ok: true } & Accepted)
  | { readonly ok: false; readonly why: RefusedReason; readonly message: string };

/** Services that answer or act on what a stranger can put into an HTTP request. */
const BLOCKED_PORTS: readonly number[] = [
  1433, 1521, 2049, 2375, 2376, 2379, 2380, 3306, 3389, 4369, 5432, 5672, 5984, 6000, 6379, 6443, 6667, 8500,
  9042, 9092, 9200, 9300, 10250, 10255, 11211, 15672, 26379, 27017, 27018, 28017, 50070,
];
const LOWEST_FREE_PORT = 1024;
const LOCAL_SUFFIXES = ['.local', '.localhost', '.internal', '.home.arpa', '.localdomain'];

/** Names that only mean something inside a network: one label, or a suffix kept for local use. */
export const isLocalName = (hostname: string): boolean => {
  const name = withoutFinalDot(hostname);
  return !name.includes('.') || LOCAL_SUFFIXES.some((suffix) => name.endsWith(suffix));
};

/**
 * Takes a URL apart and judges all of it that can be judged without resolving its name.
 * Pure; the WHATWG parser has already turned `0x7f.1` and its like into plain addresses.
 */
export const parseTarget = (text: string, rules: UrlRules): UrlVerdict<{ readonly target: Target }> => {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null)
    return refuse('bad_url', 'The URL cannot be read. Write it like https://example.com/webhooks.');
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return refuse('bad_url', 'The URL is neither https nor http. Use an https URL.');
  if (url.username !== '' || url.password !== '')
    return refuse(
      'bad_url',
      'The URL holds a user name or password. Remove it and use an endpoint header instead.',
    );
  if (url.href.includes('#'))
    return refuse('bad_url', 'The URL has a fragment (#), which is never sent. Remove it.');

  const secure = url.protocol === 'https:';
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
  if (port === 0)
    return refuse('bad_url', 'Port 0 cannot be connected to. Use the port that the receiver listens on.');

  const hostname = withoutFinalDot(url.hostname.replace(/^\[|\]$/g, ''));
  if (hostname === '')
    return refuse('bad_url', 'The URL has no host. Write it like https://example.com/webhooks.');
  const isAddress = isIP(hostname) !== 0;
  const isLocal = !isAddress && isLocalName(hostname);
  const isExempt = isAddress ? rules.addresses.exempts(hostname) : isLocal && rules.addresses.hasExemptions;
  if (isAddress ? !rules.addresses.allows(hostname) : isLocal && !isExempt)
    return refuse(
      'blocked_address',
      'The URL points into a private or reserved network, which receivers must not be in. Use a public address, or let the operator allow the subnet.',
    );
  if (!secure && rules.httpsOnly && !isExempt)
    return refuse(
      'https_only',
      'Only https URLs are accepted here. Use https, or let the operator allow http.',
    );
  if (!isPortFree(port, rules.allowPorts))
    return refuse(
      'blocked_port',
      `Port ${port} is not open to webhooks. Use 443, 80 or a port from 1024 up that no other well-known service uses.`,
    );

  const target: Target = {
    href: url.href,
    origin: url.origin,
    secure,
    hostname,
    isAddress,
    port,
    hostHeader: url.host,
    path: url.pathname + url.search,
    reach: isLocal ? 'exempt' : 'all',
  };
  return { ok: true, target };
};

/**
 * Judges an endpoint's URL when it is set: form, scheme, port, literal addresses, local names.
 * Names are not resolved; what they lead to is judged at each connection. `href` is the form to store.
 */
export const checkEndpointUrl = (
  text: string,
  settings: RuleSettings,
): UrlVerdict<{ readonly href: string }> => {
  const verdict = parseTarget(text, urlRules(settings));
  return verdict.ok ? { ok: true, href: verdict.target.href } : verdict;
};

type RuleSettings = Pick<AttemptSettings, 'httpsOnly' | 'allowSubnets' | 'denySubnets' | 'allowPorts'>;

/** The rules that settings spell; made once per settings object. */
export const urlRules = (settings: RuleSettings): UrlRules => {
  let rules = knownRules.get(settings);
  if (rules === undefined) {
    rules = {
      httpsOnly: settings.httpsOnly,
      addresses: createAddressPolicy(settings.allowSubnets, settings.denySubnets),
      allowPorts: settings.allowPorts,
    };
    knownRules.set(settings, rules);
  }
  return rules;
};

const knownRules = new WeakMap<RuleSettings, UrlRules>();

const isPortFree = (port: number, allowPorts: readonly number[]): boolean =>
  port === 443 ||
  port === 80 ||
  allowPorts.includes(port) ||
  (port >= LOWEST_FREE_PORT && !BLOCKED_PORTS.includes(port));

const withoutFinalDot = (name: string): string => (name.endsWith('.') ? name.slice(0, -1) : name);

const refuse = (why: RefusedReason, message: string): { ok: false; why: RefusedReason; message: string } => ({
  ok: false,
  why,
  message,
});
