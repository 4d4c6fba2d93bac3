import { promises as dns } from 'node:dns';
import { setTimeout as wait } from 'node:timers/promises';
import { isLocalName } from './url.ts';

/**
 * Resolves a name to all its addresses. Rejects with an error whose `code` is one of the DNS
 * codes of node:dns (ENOTFOUND, ENODATA, ESERVFAIL, ETIMEOUT …).
 */
export type ResolveName = (hostname: string) => Promise<readonly string[]>;

const QUERY_TIMEOUT_MS = 1_000;
const QUERY_TRIES = 2;
/** How long an answer for one family waits for the other (RFC 8305, section 3, has 50 ms). */
const OTHER_FAMILY_MS = 100;
const NO_SUCH_NAME = new Set(['ENOTFOUND', 'ENODATA']);

/**
 * The system's resolver, without the system's weakness: getaddrinfo occupies one of four threads
 * until a dead name server times out, so that a handful of bad names would stop all others.
 * Public names are therefore asked over the network directly; the system's own way (hosts file,
 * search domains, mDNS) serves local names, and unknown ones where `hostsFile` says so.
 * IPv4 comes first: it works from every network.
 */
export const createResolver = (options: {
  readonly hostsFile: boolean;
  /** Name servers as address:port. @default the system's */
  readonly servers?: readonly string[];
}): ResolveName => {
  const newResolver = (): InstanceType<typeof dns.Resolver> => {
    const fresh = new dns.Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES });
    if (options.servers !== undefined) fresh.setServers(options.servers);
    return fresh;
  };
  let resolver = newResolver();
  const overNetwork = async (hostname: string): Promise<readonly string[]> => {
    const current = resolver;
    const found: { v4: readonly string[]; v6: readonly string[] } = { v4: [], v6: [] };
    const v4 = current.resolve4(hostname).then((list) => void (found.v4 = list));
    const v6 = current.resolve6(hostname).then((list) => void (found.v6 = list));
    const both = Promise.allSettled([v4, v6]);
    const early = Promise.any([v4, v6]).then(
      () => wait(OTHER_FAMILY_MS, undefined, { ref: false }),
      () => undefined,
    );
    await Promise.race([both, early]);
    const addresses = [...found.v4, ...found.v6];
    if (addresses.length > 0) return addresses;
    const [outcome] = await both;
    const error: unknown = outcome.status === 'rejected' ? outcome.reason : new Error('no address');
    // The servers are read when a resolver is made; a laptop changes networks.
    if (!NO_SUCH_NAME.has(codeOf(error)) && resolver === current) resolver = newResolver();
    throw error;
  };
  return async (hostname) => {
    if (isLocalName(hostname)) return bySystem(hostname);
    try {
      return await overNetwork(hostname);
    } catch (error) {
      const code = codeOf(error);
      const mayKnowBetter = options.hostsFile ? code !== 'ETIMEOUT' : code === 'ECONNREFUSED';
      if (mayKnowBetter) return bySystem(hostname);
      throw error;
    }
  };
};

const bySystem = async (hostname: string): Promise<readonly string[]> =>
  (await dns.lookup(hostname, { all: true, order: 'ipv4first' })).map(({ address }) => address);

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : '';
