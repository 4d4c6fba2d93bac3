import { decodeBase64, encodeHex, sha256 } from '../bytes.ts';
import type { Source } from '../contract.ts';
import { addressMatcher } from '../allow-list/cidr.ts';
import { refuse } from '../errors.ts';
import { singleHeader } from '../headers.ts';
import type { Identity } from '../place.ts';
import { credentialSource } from './credentials.ts';

export type MtlsOptions = Identity & {
  /**
   * Addresses or subnets of the proxies that end TLS, check the certificate, and overwrite the
   * header. A header from anybody else is refused. 'any' only where nobody but the proxy can
   * reach this process.
   */
  readonly trustedProxies: readonly string[] | 'any';
  /** The header that the proxy writes. @default 'client-cert' (RFC 9440) */
  readonly header?: string;
  /**
   * What is in it. `client-cert`: the certificate as RFC 9440 writes it. `xfcc`: Envoy's
   * x-forwarded-client-cert, of which `Hash` counts. `sha256`: its SHA-256 in hexadecimal, with
   * or without colons. `text`: anything else (a serial number, a subject), compared as it is.
   * @default 'client-cert'
   */
  readonly format?: 'client-cert' | 'xfcc' | 'sha256' | 'text';
  /** A second header that says whether the proxy found the certificate good, and how it says so. */
  readonly verified?: { readonly header: string; readonly value: string };
};

/**
 * A sender with a client certificate, which a proxy in front has checked: `certificates` are the
 * SHA-256 fingerprints of the right ones (or with the format `text` what the header says of
 * them).
 *
 * @throws TypeError at once when there is no certificate, or a proxy's address cannot be read.
 */
export const mtls = (certificates: string | readonly string[], options: MtlsOptions): Source => {
  const { trustedProxies, header = 'client-cert', format = 'client-cert', verified } = options;
  const isProxy = trustedProxies === 'any' ? () => true : addressMatcher(trustedProxies);
  const list = typeof certificates === 'string' ? [certificates] : certificates;
  const read = READ[format];
  return credentialSource(
    'mtls',
    format === 'text' ? list : list.map(plainHex),
    async (request) => {
      if (!isProxy(request.peerAddress ?? ''))
        return refuse('untrusted_proxy', 'The request did not come from the proxy that checks certificates.');
      const good = verified === undefined ? '' : singleHeader(request.headers, verified.header);
      if (typeof good !== 'string') return good;
      if (verified !== undefined && good !== verified.value)
        return refuse('bad_credentials', 'The proxy did not find the certificate good.', verified.header);
      const value = singleHeader(request.headers, header);
      if (typeof value !== 'string') return value;
      if (value === '')
        return refuse('missing_credentials', 'No client certificate came with the request.', header);
      return (
        (await read(value)) ?? refuse('bad_credentials', `The header ${header} is not ${format}.`, header)
      );
    },
    options,
  );
};

const plainHex = (text: string): string => text.replaceAll(':', '').toLowerCase();

const READ: Record<NonNullable<MtlsOptions['format']>, (value: string) => Promise<string | null>> = {
  text: async (value) => value,
  sha256: async (value) => plainHex(value),
  'client-cert': async (value) => {
    const der = /^:[^:]+:$/.test(value) ? decodeBase64(value.slice(1, -1)) : null;
    return der === null ? null : encodeHex(await sha256(der));
  },
  // Elements are separated by commas, the nearest proxy's last; quoted text may hold both separators.
  xfcc: async (value) => {
    const unquoted = value.replace(/"(?:\\.|[^"\\])*"/g, '');
    const nearest = unquoted.slice(unquoted.lastIndexOf(',') + 1);
    return /(?:^|;)\s*Hash=([\da-f]{64})\s*(?:;|$)/i.exec(nearest)?.[1]?.toLowerCase() ?? null;
  },
};
