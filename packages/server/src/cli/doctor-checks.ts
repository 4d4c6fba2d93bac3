import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { connect as connectTls } from 'node:tls';
import type { Config, ConfigIssue } from '../config.ts';
import { causeOf } from './connection.ts';

/** What one look found. `remedy`: what to do about a warning or a failure. */
export type Finding = {
  /** Whose it is: this machine's, the running server's, or of the settings in this shell. */
  readonly of: 'machine' | 'server' | 'shell';
  readonly check:
    | 'runtime'
    | 'configuration'
    | 'database'
    | 'clock'
    | 'reachability'
    | 'token'
    | 'certificate'
    | 'address guard';
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly found: string;
  readonly remedy: string | null;
};

export type DatabaseFacts = {
  readonly serverVersion: string;
  readonly nowMs: number;
  readonly schemaVersion: number | null;
  readonly programVersion: number;
  readonly connections: number;
  readonly maxConnections: number;
  readonly rowSecurity: boolean;
};

export type EndpointRules = Pick<Config, 'httpsOnly' | 'allowSubnets'> & Partial<Pick<Config, 'denySubnets'>>;

/** What of the other folders the doctor uses; handed in by main. */
export type DoctorTools = {
  readonly checkDatabase: (
    url: string,
  ) => Promise<readonly { readonly kind: 'unusable' | 'unsafe'; readonly problem: string }[]>;
  readonly databaseFacts: (url: string) => Promise<DatabaseFacts>;
  /** What is wrong with settings that only their users can read. */
  readonly checkRules: (config: Config) => readonly ConfigIssue[];
  /** Why an endpoint may not have this URL under these rules, or null. */
  readonly checkUrl: (rules: EndpointRules, url: string) => string | null;
};

type Check = Finding['check'];
export type Found = Omit<Finding, 'of'>;
export const ok = (check: Check, found: string): Found => ({ check, state: 'ok', found, remedy: null });
export const skipped = (check: Check, found: string): Found => ({
  check,
  state: 'skipped',
  found,
  remedy: null,
});
export const warning = (check: Check, found: string, remedy: string): Found => ({
  check,
  state: 'warning',
  found,
  remedy,
});
export const failed = (check: Check, found: string, remedy: string): Found => ({
  check,
  state: 'failed',
  found,
  remedy,
});

const SKEW_WARNING_MS = 2_000;
const SKEW_FAILED_MS = 60_000;
const DAY_MS = 86_400_000;
const EXPIRES_SOON_DAYS = 21;
const TIMEOUT_MS = 5_000;

export const checkConfiguration = (issues: readonly ConfigIssue[]): readonly Found[] =>
  issues.length === 0
    ? [ok('configuration', 'every setting can be read')]
    : issues.map(({ name, problem }) =>
        failed('configuration', `${name} ${problem}`, `Change ${name}; docs/config.md has every setting.`),
      );

/** @param aheadMs How far the other clock is ahead of this machine's. */
export const judgeClock = (whose: string, aheadMs: number): Found => {
  const seconds = `${Math.abs(aheadMs / 1000).toFixed(1)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine`;
  const remedy = 'Run NTP (chrony, systemd-timesyncd) on both: receivers refuse timestamps five minutes off.';
  if (Math.abs(aheadMs) > SKEW_FAILED_MS) return failed('clock', `${whose} is ${seconds}`, remedy);
  if (Math.abs(aheadMs) > SKEW_WARNING_MS) return warning('clock', `${whose} is ${seconds}`, remedy);
  return ok('clock', `${whose} agrees with this machine within ${(SKEW_WARNING_MS / 1000).toFixed(0)} s`);
};

export const checkDatabase = async (
  config: Config,
  tools: DoctorTools,
  nowMs: () => number,
): Promise<readonly Found[]> => {
  if (config.databaseUrl === null)
    return [skipped('database', 'DATABASE_URL is not set: posthorn dev runs an embedded PostgreSQL')];
  const problems = await tools.checkDatabase(config.databaseUrl);
  if (problems.length > 0) {
    return problems.map(({ kind, problem }) =>
      (kind === 'unusable' ? failed : warning)(
        'database',
        `DATABASE_URL ${problem}`,
        'Correct DATABASE_URL or that database, then run posthorn doctor again.',
      ),
    );
  }
  const beforeMs = nowMs();
  const facts = await tools.databaseFacts(config.databaseUrl);
  const middleMs = (beforeMs + nowMs()) / 2;
  return judgeDatabase(facts, config.databasePool, facts.nowMs - middleMs, 'durable, writable');
};

/** @param aheadMs How far the database's clock is ahead of this machine's. */
export const judgeDatabase = (
  { serverVersion, schemaVersion, programVersion, connections, maxConnections, rowSecurity }: DatabaseFacts,
  pool: number,
  aheadMs: number,
  known: string,
): readonly Found[] => {
  const findings = [
    ok('database', `PostgreSQL ${serverVersion}, ${known}`),
    judgeClock('the database', aheadMs),
  ];
  if (schemaVersion === null || schemaVersion < programVersion)
    findings.push(
      warning(
        'database',
        `its schema is at ${schemaVersion ?? 'no version'}, the program's at ${programVersion}`,
        'posthorn migrate, or start: the server migrates by itself.',
      ),
    );
  else if (schemaVersion > programVersion)
    findings.push(
      warning(
        'database',
        `its schema (${schemaVersion}) is newer than the program (${programVersion})`,
        'Update the program.',
      ),
    );
  if (schemaVersion !== null && !rowSecurity)
    findings.push(
      warning(
        'database',
        'the database does not keep tenants apart by itself (row-level security): only the program does',
        'Have an administrator of the database run, with USER for the user of DATABASE_URL: create role "posthorn_tenant_USER" nologin; grant "posthorn_tenant_USER" to "USER"; then restart the servers, whose logs say what else stands in the way.',
      ),
    );
  const free = maxConnections - connections;
  if (free < pool)
    findings.push(
      warning(
        'database',
        `${free} of ${maxConnections} connections are free, a server takes up to ${pool}`,
        'Raise max_connections, or lower POSTHORN_DATABASE_POOL.',
      ),
    );
  return findings;
};

const judgeCertificate = (whose: string, certificate: X509Certificate, nowMs: number): Found => {
  const until = Date.parse(certificate.validTo);
  const days = Math.floor((until - nowMs) / DAY_MS);
  if (Date.parse(certificate.validFrom) > nowMs)
    return failed(
      'certificate',
      `${whose} is not valid before ${certificate.validFrom}`,
      'Check the clock of this machine, or use a valid certificate.',
    );
  if (days < 0)
    return failed(
      'certificate',
      `${whose} ended on ${certificate.validTo}`,
      'Renew it, and restart the server.',
    );
  if (days < EXPIRES_SOON_DAYS)
    return warning('certificate', `${whose} ends in ${days} days`, 'Renew it, and restart the server.');
  return ok('certificate', `${whose} is valid for ${days} more days`);
};

/** The certificate that a server shows, as its clients judge it. */
const checkServed = (url: URL, nowMs: number): Promise<Found> =>
  new Promise((resolve) => {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const socket = connectTls({
      host,
      port: Number(url.port || 443),
      servername: /^[\d.]+$|:/.test(host) ? '' : host,
    });
    const end = (finding: Found): void => {
      socket.destroy();
      resolve(finding);
    };
    socket.setTimeout(TIMEOUT_MS, () =>
      end(
        failed(
          'certificate',
          `${url.host} does not finish a TLS handshake`,
          'Does it speak TLS on this port?',
        ),
      ),
    );
    socket.once('error', (error: Error) =>
      end(
        failed(
          'certificate',
          `clients refuse ${url.host}: ${causeOf(error)}`,
          'Use a certificate with this host name from a known authority, served with its intermediates; for one of your own set NODE_EXTRA_CA_CERTS.',
        ),
      ),
    );
    socket.once('secureConnect', () => {
      const shown = socket.getPeerX509Certificate();
      end(
        shown === undefined
          ? failed('certificate', `${url.host} shows no certificate`, 'Check the TLS settings there.')
          : judgeCertificate(`the certificate of ${url.host}`, shown, nowMs),
      );
    });
  });

/** @param file The certificate that a server is to show (PEM), if any. */
export const checkCertificates = async (
  file: string | null,
  urls: readonly string[],
  nowMs: number,
): Promise<readonly Found[]> => {
  const findings: Found[] = [];
  if (file !== null) {
    try {
      findings.push(judgeCertificate(`POSTHORN_TLS_CERT`, new X509Certificate(await readFile(file)), nowMs));
    } catch (error) {
      findings.push(
        failed(
          'certificate',
          `POSTHORN_TLS_CERT cannot be read: ${(error as Error).message}`,
          'Name a PEM file with the certificate first.',
        ),
      );
    }
  }
  for (const url of urls) if (url.startsWith('https:')) findings.push(await checkServed(new URL(url), nowMs));
  return findings.length > 0 ? findings : [skipped('certificate', 'nothing is served by https here')];
};

/** Addresses that no webhook may reach unless somebody decided so. */
const FORBIDDEN = [
  ['cloud metadata', 'http://169.254.169.254/'],
  ['this machine', 'http://127.0.0.1:8080/'],
  ['private networks', 'http://10.0.0.1:8080/'],
  ['IPv6 loopback', 'http://[::1]:8080/'],
] as const;

export const checkGuard = (
  rules: EndpointRules,
  tools: DoctorTools,
  url: string | undefined,
): readonly Found[] => {
  const open = FORBIDDEN.filter(
    ([, forbidden]) => tools.checkUrl({ ...rules, httpsOnly: false }, forbidden) === null,
  );
  const findings = [
    open.length === 0
      ? ok('address guard', `endpoints cannot reach ${FORBIDDEN.map(([name]) => name).join(', ')}`)
      : warning(
          'address guard',
          `endpoints may reach ${open.map(([name]) => name).join(', ')} (POSTHORN_ALLOW_SUBNETS)`,
          'Right for development; in production allow single hosts only, as narrow as /32.',
        ),
  ];
  if (url === undefined) return findings;
  const problem = tools.checkUrl(rules, url);
  return [
    ...findings,
    problem === null
      ? ok('address guard', `${url} may be an endpoint; where its name leads is checked at each connection`)
      : failed(
          'address guard',
          `${url}: ${problem}`,
          'Use another URL, or have the operator set POSTHORN_ALLOW_SUBNETS.',
        ),
  ];
};
