import type { Config } from '../config.ts';
import type { ExitCode, Streams } from './output.ts';
import type { Flags } from './program.ts';

/** The URL to reach a listening address by from this machine. */
const localUrl = (listen: string, tls: boolean): string => {
  const host = listen.replace(/^(0\.0\.0\.0|\[::\]|)(?=:\d+$)/, '127.0.0.1');
  return `${tls ? 'https' : 'http'}://${host}`;
};

/** A server's address as people write it: with or without a slash, or the API's path, at its end. */
export const serverAddress = (written: string): string =>
  written.replace(/\/+$/, '').replace(/\/api\/v1$/, '');

/** The server that a command asks: the one of --url, else the one that listens where it is configured. */
export const serverUrl = (config: Pick<Config, 'listen' | 'tlsCert'>, flags: Flags): string => {
  const named = flags['url'];
  return typeof named === 'string' ? serverAddress(named) : localUrl(config.listen, config.tlsCert !== null);
};

const TIMEOUT_MS = 5000;
/** Codes of OpenSSL's verification; https://nodejs.org/api/tls.html#x509-certificate-error-codes. */
const UNTRUSTED = /CERT|SIGNATURE|SELF_SIGNED|ALTNAME/;
const TRUST =
  'Its certificate is not trusted here: name the file of its authority in NODE_EXTRA_CA_CERTS, or a host that is in the certificate with --url.';
const START = 'Is it running? Name another address with --url.';

/** `posthorn health`: asks a running server whether it can do its work. Exit code 0 only if so, 3 without an answer. */
export const health = async (url: string, streams: Streams): Promise<ExitCode> => {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const body = await response.text();
    streams.out(`${body.trim()}\n`);
    return response.ok ? 0 : 1;
  } catch (error) {
    const code = ((error as Error).cause as { code?: string } | undefined)?.code ?? (error as Error).name;
    streams.err(`posthorn: no answer from ${url} (${code}). ${UNTRUSTED.test(code) ? TRUST : START}\n`);
    return 3;
  }
};
