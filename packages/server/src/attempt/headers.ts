import type { EndpointConfig } from '../domain/configuration.ts';
import { REDACTED, type HeaderLines, type HeaderPair } from '../domain/attempt.ts';
import type { AttemptSettings } from './settings.ts';
import type { Target } from './url.ts';

const SECRET_NAME = /auth|cookie|token|secret|key|password|passwd|credential|session/i;

/** Set by Posthorn or by HTTP itself; an endpoint's own headers never replace them. */
const RESERVED = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
]);
const RESERVED_PREFIXES = ['webhook-', 'svix-', 'posthorn-'];

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]{0,4096}$/;

export const isHeaderValue = (value: string): boolean => VALUE.test(value);

/** Why an endpoint may not have this header, as a sentence for its owner; null when it may. */
export const checkEndpointHeader = (name: string, value: string): string | null => {
  const lower = name.toLowerCase();
  if (!NAME.test(name))
    return `'${name.slice(0, 64)}' is not a header name. Use letters, digits and hyphens.`;
  if (RESERVED.has(lower) || RESERVED_PREFIXES.some((prefix) => lower.startsWith(prefix)))
    return `The header '${lower}' is set by Posthorn. Choose another name.`;
  if (!isHeaderValue(value))
    return `The value of '${lower}' is longer than 4096 characters or holds some that a header cannot carry.`;
  return null;
};

export const isSecretName = (name: string): boolean => SECRET_NAME.test(name);

/** The part of a request's head that is the same in every attempt at an endpoint. */
export type FixedHeaders = {
  /** Request line, and the lines that HTTP needs, as far as they are known. */
  readonly start: string;
  readonly lines: HeaderLines;
  /** What a report shows of both: secrets redacted. */
  readonly shown: HeaderLines;
  /** Values that must not be kept with an answer either, should the receiver repeat them. */
  readonly secrets: readonly string[];
};

/** Shorter ones would be found by chance. */
const LEAST_SECRET = 8;

/** The value of a header that is a secret, and what follows its scheme: `Bearer x`. */
const secretsOf = (pairs: readonly HeaderPair[]): string[] =>
  pairs
    .filter(([name]) => isSecretName(name))
    .flatMap(([, value]) => [value.trim(), value.trim().replace(/^\S+\s+/, '')])
    .filter((value, at, all) => value.length >= LEAST_SECRET && all.indexOf(value) === at);

const linesOf = (pairs: readonly HeaderPair[]): HeaderLines =>
  pairs.map(([name, value]) => `${name}: ${value}\r\n`).join('');

export const fixedHeaders = (
  endpoint: Pick<EndpointConfig, 'headers'>,
  target: Target,
  settings: Pick<AttemptSettings, 'userAgent' | 'mark'>,
): FixedHeaders => {
  const host: HeaderPair = ['host', target.hostHeader];
  const own = ownHeaders(endpoint, settings);
  return {
    start: `POST ${target.path} HTTP/1.1\r\n${linesOf([host, ['connection', 'keep-alive']])}`,
    lines: linesOf(own),
    secrets: secretsOf(own),
    shown: linesOf([
      host,
      ...own.map(([name, value]): HeaderPair => [name, isSecretName(name) ? REDACTED : value]),
    ]),
  };
};

/** Ours, then the endpoint's, wherever the request goes. */
export const ownHeaders = (
  endpoint: Pick<EndpointConfig, 'headers'>,
  settings: Pick<AttemptSettings, 'userAgent' | 'mark'>,
): readonly HeaderPair[] => [
  ['user-agent', settings.userAgent],
  ['accept-encoding', 'identity'],
  ...(settings.mark === null ? [] : [settings.mark]),
  ...endpoint.headers.filter(([name, value]) => checkEndpointHeader(name, value) === null),
];

const PREFIXES = { webhook: ['webhook-'], svix: ['svix-'], both: ['webhook-', 'svix-'] } as const;

/** Names of the three signature headers, once or twice. */
export type SignatureNames = readonly (readonly [id: string, timestamp: string, signature: string])[];

export const signatureNames = (prefix: AttemptSettings['headerPrefix']): SignatureNames =>
  PREFIXES[prefix].map((start) => [`${start}id`, `${start}timestamp`, `${start}signature`]);

const MOST_CHARACTERS = 8_192;

/** Response headers as kept: as many whole lines as fit. */
export const keptHeaders = (lines: HeaderLines): HeaderLines => {
  if (lines.length <= MOST_CHARACTERS) return lines;
  const lastEnd = lines.lastIndexOf('\r\n', MOST_CHARACTERS - 2);
  return lastEnd < 0 ? '' : lines.slice(0, lastEnd + 2);
};
