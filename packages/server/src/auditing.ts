import type { Finding } from './domain/audit.ts';
import { idFloor } from './domain/ids.ts';
import type { AuditStore, AuditTimes } from './store/audit.ts';

/** What one look of the server covers at most; the next one goes on from there. */
const LANES = 200;
const ROWS = 5;
const APPLICATIONS = 200;
const MESSAGES = 10;
const ENDPOINTS = 20;
const EXPANSIONS = 100;
/** The newest messages are looked at: of these many minutes, the last one left to settle down. */
const RECENT_MS = 180_000;
const SETTLED_MS = 60_000;
const DAY_MS = 86_400_000;

/** What the command takes at once. */
const ALL_ROWS = 100_000;
const PAGE = 2_000;
/** A day less than attempts are kept. */
const KEPT_MS = 89 * DAY_MS;

export const SLACK_MS = 15 * 60_000;

export type AuditSettings = { readonly retryWindowMs: number; readonly leaseMs: number };

const keyOf = ({ rule, subject }: Finding): string => `${rule} ${subject}`;

/**
 * What is found twice. A look sees one moment: a partition on its way from node to node, deliveries
 * that the next sweep frees. What is there at the next look too is no moment.
 */
export const confirmed = (first: readonly Finding[], second: readonly Finding[]): Finding[] => {
  const known = new Set(first.map(keyOf));
  return second.filter((finding) => known.has(keyOf(finding)));
};

const timesOf = ({ retryWindowMs }: AuditSettings, nowMs: number, sinceMs: number): AuditTimes => ({
  nowMs,
  slackMs: SLACK_MS,
  retryWindowMs,
  sinceMs,
});

type Place = { readonly lane: string; readonly application: string };
const START: Place = { lane: '', application: '' };

/** One bounded look, and where the next one goes on. */
const lookOnce = async (
  store: AuditStore,
  settings: AuditSettings,
  nowMs: number,
  place: Place,
  messagesAtMs: number,
): Promise<{ readonly findings: Finding[]; readonly next: Place }> => {
  const times = timesOf(settings, nowMs, nowMs - 2 * DAY_MS);
  const waiting = await store.waiting(times, place.lane, LANES, ROWS);
  const applications = await store.applications(place.application, APPLICATIONS);
  const low = idFloor('message', messagesAtMs - RECENT_MS);
  const high = idFloor('message', messagesAtMs - SETTLED_MS);
  const messages = await store.messages(applications, low, high, MESSAGES);
  const findings = [
    ...(await store.partitions(settings.leaseMs)),
    ...(await store.expansions(SLACK_MS, EXPANSIONS)),
    ...(await store.held(times, ROWS)),
    ...waiting.findings,
    ...(await store.account(messages, ENDPOINTS)),
  ];
  const lastApplication = applications.length < APPLICATIONS ? '' : applications.at(-1)!;
  return { findings, next: { lane: waiting.last ?? '', application: lastApplication } };
};

/**
 * The audit that goes on in the server. Each call looks at a bounded part; where something is found,
 * the next call looks at the same part again before it is told.
 *
 * @returns What is confirmed; null where another node audits.
 */
export const createAuditor = (deps: {
  readonly store: AuditStore;
  readonly settings: AuditSettings;
  readonly node: string;
  readonly nowMs: () => number;
}): (() => Promise<readonly Finding[] | null>) => {
  let place = START;
  let suspected: { readonly findings: readonly Finding[]; readonly atMs: number } | null = null;
  return async () => {
    if ((await deps.store.auditor()) !== deps.node) {
      suspected = null;
      return null;
    }
    const nowMs = deps.nowMs();
    const { findings, next } = await lookOnce(
      deps.store,
      deps.settings,
      nowMs,
      place,
      suspected?.atMs ?? nowMs,
    );
    const told = suspected === null ? [] : confirmed(suspected.findings, findings);
    const isSecond = suspected !== null;
    suspected = isSecond || findings.length === 0 ? null : { findings, atMs: nowMs };
    if (suspected === null) place = next;
    return told;
  };
};

/** Everything: all that is open, and every message of the last 89 days. */
export const lookEverywhere = async (
  store: AuditStore,
  settings: AuditSettings,
  nowMs: number,
): Promise<Finding[]> => {
  const times = timesOf(settings, nowMs, nowMs - KEPT_MS);
  const findings = [
    ...(await store.partitions(settings.leaseMs)),
    ...(await store.expansions(SLACK_MS, ALL_ROWS)),
    ...(await store.held(times, ALL_ROWS)),
  ];
  for (let after: string | null = ''; after !== null;) {
    const waiting = await store.waiting(times, after, LANES, ALL_ROWS);
    findings.push(...waiting.findings);
    after = waiting.last;
  }
  const high = idFloor('message', nowMs - SETTLED_MS);
  for (let after = ''; ;) {
    const applications = await store.applications(after, PAGE);
    for (const application of applications) {
      for (let low = idFloor('message', nowMs - KEPT_MS); ;) {
        const messages = await store.messages([application], low, high, PAGE);
        findings.push(...(await store.account(messages, ALL_ROWS)));
        if (messages.length < PAGE) break;
        low = messages.at(-1)!.id;
      }
    }
    if (applications.length < PAGE) return findings;
    after = applications.at(-1)!;
  }
};
