// What Posthorn makes of each exhibit of tools/zoo.
import type { AttemptSettings } from '../../src/attempt/settings.ts';

export type Expected = {
  /** Parts of the attempt's result; one of several where the network decides. */
  readonly results: readonly Readonly<Record<string, unknown>>[];
  readonly verdict: 'succeeded' | 'retry';
  /** Milliseconds until the retry, without the jitter of a tenth. */
  readonly waitsMs?: number;
  /** It only ends by the deadline. */
  readonly slow?: true;
  readonly settings?: Partial<AttemptSettings>;
  /** Requests on the wire may be fewer than attempts. */
  readonly reaches?: 'nothing' | 'some';
};

const delivered = (bodyError: string | null = null, status = 200): Expected => ({
  results: [{ kind: 'response', status, bodyError }],
  verdict: 'succeeded',
});
const answered = (status: number, more: Partial<Expected> = {}): Expected => ({
  results: [{ kind: 'response', status }],
  verdict: 'retry',
  ...more,
});
const failed = (kind: string, code: string, more: Partial<Expected> = {}): Expected => ({
  results: [
    { kind, ...(kind === 'timeout' ? { phase: code } : kind === 'refused' ? { why: code } : { code }) },
  ],
  verdict: 'retry',
  ...more,
});
const protocol = (code: string): Expected => failed('protocol', code);
const noHttp = protocol('bad_response');
const tls = (code: string): Expected => failed('tls', code, { reaches: 'nothing' });

const SCHEDULE_MS = 1_000;

/** Attempts of the zoo's test: short, so that what hangs does not hang long. */
export const TIMES = { timeoutMs: 1_000, connectTimeoutMs: 500, dnsTimeoutMs: 300 } as const;

export const expectations: Readonly<Record<string, Expected>> = {
  'syn-blackhole': failed('timeout', 'connect', { slow: true, reaches: 'nothing' }),
  refused: failed('network', 'connection_refused', { reaches: 'nothing' }),
  'reset-on-accept': failed('network', 'connection_reset', { reaches: 'nothing' }),
  silence: failed('timeout', 'headers', { slow: true }),
  'no-handshake': failed('timeout', 'tls', { slow: true, reaches: 'nothing' }),
  'handshake-cut': tls('tls_closed'),
  'dns-silence': failed('timeout', 'dns', { slow: true, reaches: 'nothing' }),
  'dns-nxdomain': failed('dns', 'dns_not_found', { reaches: 'nothing' }),
  'dns-servfail': failed('dns', 'dns_failed', { reaches: 'nothing' }),
  'aaaa-only': {
    results: [
      { kind: 'response', status: 200 },
      { kind: 'network', code: 'no_route' },
    ],
    verdict: 'succeeded',
    reaches: 'some',
  },
  // The next address is tried after a second.
  'one-dead-address': { ...delivered(), settings: { connectTimeoutMs: 5_000, timeoutMs: 8_000 } },
  'dns-rebinding': {
    results: [
      { kind: 'response', status: 200 },
      { kind: 'refused', why: 'blocked_address' },
    ],
    verdict: 'succeeded',
    settings: { allowSubnets: ['127.0.0.2/32'] },
    reaches: 'some',
  },
  'dns-mixed': failed('refused', 'blocked_address', {
    settings: { allowSubnets: ['127.0.0.2/32'] },
    reaches: 'nothing',
  }),
  'header-drip': failed('timeout', 'headers', { slow: true }),
  'body-drip': { ...delivered('body_timeout'), slow: true },
  'failure-drip': answered(503, { slow: true, waitsMs: 7_000 }),
  'endless-body': delivered('body_truncated'),
  'endless-failure': answered(500),
  'trailers-endless': delivered('body_broken'),
  'gzip-bomb': delivered('body_truncated'),
  'brotli-bomb': delivered('body_truncated'),
  'compressed-unasked': delivered(),
  'hints-flood': protocol('too_many_informational'),
  'hints-endless': protocol('too_many_informational'),
  'unasked-100': delivered(),
  'switching-protocols': protocol('unexpected_upgrade'),
  'header-of-64-kb': protocol('headers_too_large'),
  'headers-3000': protocol('headers_too_large'),
  'headers-endless': protocol('headers_too_large'),
  garbage: noHttp,
  'ssh-banner': { ...noHttp, reaches: 'some' },
  'smtp-banner': { ...noHttp, reaches: 'some' },
  'http-0.9': noHttp,
  'http-9.9': noHttp,
  'status-099': protocol('bad_status'),
  'status-20': noHttp,
  'status-2000': noHttp,
  'status-600': answered(600),
  'status-999': answered(999),
  'no-reason': delivered(),
  'http-1.0': delivered(),
  'no-length': delivered(),
  'two-lengths': noHttp,
  'length-twice': noHttp,
  'length-and-chunks': noHttp,
  'negative-length': noHttp,
  'body-cut-by-fin': delivered('body_broken'),
  'body-cut-by-rst': delivered('body_broken'),
  'failure-cut': answered(500),
  'bad-chunk': delivered('body_broken'),
  'no-last-chunk': delivered('body_broken'),
  'bare-line-feeds': noHttp,
  'folded-header': noHttp,
  'nul-in-a-header': noHttp,
  'space-in-a-name': noHttp,
  'latin1-headers': delivered(),
  '204-with-a-body': delivered(null, 204),
  '300-without-a-location': answered(300),
  '302-without-a-location': answered(302),
  '304-without-a-location': answered(304),
  'redirect-301': answered(301),
  'redirect-302': answered(302),
  'redirect-303': answered(303),
  'redirect-307': answered(307),
  'redirect-308': answered(308),
  'redirect-inside': answered(302),
  'redirect-loop': answered(307),
  'redirect-scheme': answered(302),
  'captive-portal': delivered(),
  // 8 MB do not fit into a socket: the answer comes while they are being sent.
  'early-200-fin': delivered(),
  'early-413-fin': answered(413),
  'early-200-rst': delivered(),
  'early-413-rst': answered(413),
  'zero-window': failed('timeout', 'headers', { slow: true, reaches: 'nothing' }),
  'fin-after-the-request': failed('network', 'connection_closed'),
  'rst-after-the-request': failed('network', 'connection_reset'),
  'fin-in-the-status-line': protocol('response_cut'),
  'fin-in-the-headers': protocol('response_cut'),
  'keep-alive-race': {
    results: [
      { kind: 'response', status: 200 },
      { kind: 'network', code: 'stale_connection' },
    ],
    verdict: 'succeeded',
    reaches: 'some',
  },
  'connection-close': delivered(),
  'keep-alive-600': delivered(),
  'two-answers': delivered(),
  // The free ones double from the schedule's own pace; the hint wins.
  'retry-after-429': answered(429, { waitsMs: 120_000 }),
  'retry-after-503': answered(503, { waitsMs: 120_000 }),
  'retry-after-date': answered(503, { waitsMs: 24 * 3_600_000 }),
  'retry-after-past': answered(503, { waitsMs: SCHEDULE_MS }),
  'retry-after-negative': answered(503, { waitsMs: SCHEDULE_MS }),
  'retry-after-huge': answered(503, { waitsMs: SCHEDULE_MS }),
  'retry-after-infinite': answered(503, { waitsMs: SCHEDULE_MS }),
  'retry-after-words': answered(503, { waitsMs: SCHEDULE_MS }),
  'retry-after-long': answered(503, { waitsMs: SCHEDULE_MS }),
  'retry-after-twice': answered(503, { waitsMs: SCHEDULE_MS }),
  'retry-after-iso': answered(503, { waitsMs: SCHEDULE_MS }),
  gone: answered(410),
  ...Object.fromEntries(
    [401, 403, 404, 408, 421, 425, 500, 502, 503, 504].map((status) => [
      `status-${status}`,
      answered(status, { waitsMs: SCHEDULE_MS }),
    ]),
  ),
  'tls-self-signed': tls('tls_self_signed'),
  'tls-unknown-authority': tls('tls_unknown_authority'),
  'tls-wrong-host': tls('tls_wrong_host'),
  'tls-expired': tls('tls_expired'),
  'tls-not-yet-valid': tls('tls_not_yet_valid'),
  'tls-1.1': tls('tls_version'),
  'https-on-a-http-port': tls('tls_not_spoken'),
  // What comes back may be an alert, or a reset where the request was too long for it.
  'http-on-a-https-port': {
    results: [{ kind: 'protocol' }, { kind: 'network' }],
    verdict: 'retry',
    reaches: 'nothing',
  },
  'h2-only': tls('tls_failed'),
  'h2-goaway': noHttp,
  'h2-rst-flood': noHttp,
  'h2-continuation-flood': noHttp,
  'stateful-headers': delivered(),
  'poison-xss': answered(500),
  'poison-ansi': answered(500),
  'poison-csv': answered(500),
  'poison-bytes': answered(500),
  'poison-log': answered(500),
  echo: answered(401),
  'many-origins': delivered(),
  tarpit: { ...delivered(), slow: true },
};
