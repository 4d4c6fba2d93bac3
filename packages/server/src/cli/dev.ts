import type { SettingName } from '../settings.ts';
import { DEMO_APPLICATION, type DemoRun } from './dev-demo.ts';
import { DEMO_PATH, type DemoReceipt } from './demo.ts';

/** What `posthorn dev` sets where nobody says otherwise: on a laptop receivers are local. */
export const devDefaults: Partial<Record<SettingName, string>> = {
  allowSubnets:
    '127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7,169.254.0.0/16,fe80::/10',
  httpsOnly: 'false',
  logLevel: 'warn',
};

/** All that `posthorn dev` has to say. */
export type DevFacts = {
  readonly version: string;
  readonly url: string;
  readonly token: string;
  readonly orgId: string;
  readonly dataDir: string;
  /** Null where the database is the user's own. */
  readonly postgres: { readonly version: string; readonly port: number } | null;
  readonly demo: DemoRun;
  /** The address that was asked for and is taken. */
  readonly movedFrom: string | null;
  /** From the process's start to the demo's end. */
  readonly startMs: number;
};

const curl = (url: string, token: string, indent: string): string =>
  [
    `curl -X POST ${url}/api/v1/app/${DEMO_APPLICATION}/msg -H "authorization: Bearer ${token}" \\`,
    `${indent}  -H 'content-type: application/json' -d '{"eventType":"user.created","payload":{"id":1}}'`,
  ].join('\n');

/** The facts as one JSON object on one line. */
export const devJson = (facts: DevFacts): string =>
  `${JSON.stringify({
    ...facts,
    api: `${facts.url}/api/v1`,
    docs: `${facts.url}/docs`,
    receiver: `${facts.url}${DEMO_PATH}`,
    curl: curl(facts.url, facts.token, ''),
  })}\n`;

const wholeMs = (ms: number): number => Math.max(1, Math.round(ms));

const demoLines = ({ demo, url }: DevFacts): string => {
  if (demo.kind === 'failed') return `  demo       failed: ${demo.problem}`;
  const answer = demo.verified ? '200 in' : '401 in';
  return `  sent       demo.started ${demo.messageId} to ${url}${DEMO_PATH}
  answer     ${answer} ${wholeMs(demo.elapsedMs)} ms, signature ${demo.verified ? 'verified' : 'NOT verified'}`;
};

/** The facts for people: under 100 columns, save the token. What is to be pasted has lines of its own. */
export const devText = (facts: DevFacts): string => {
  const { url, token, postgres, movedFrom } = facts;
  const database =
    postgres === null
      ? `your DATABASE_URL; the token's secret is in ${facts.dataDir}`
      : `PostgreSQL ${postgres.version} on port ${postgres.port}, data in ${facts.dataDir}`;
  const moved = movedFrom === null ? '' : `  (${movedFrom} is taken by another program)`;
  return `
  Posthorn ${facts.version} for development, ready in ${(facts.startMs / 1000).toFixed(1)} s

  api        ${url}/api/v1${moved}
  docs       ${url}/docs
  database   ${database}
${demoLines(facts)}
  endpoints  may be local here, unlike with posthorn start; try npx posthorn listen 3000/webhooks

  Your token, and a message to send with it (paste both into another terminal):

  export TOKEN=${token}
  ${curl(url, '$TOKEN', '  ')}

  go live    DATABASE_URL=… POSTHORN_JWT_SECRET=… POSTHORN_MAIN_SECRET=… npx posthorn start
  Ctrl-C stops all of this and keeps the data; npx posthorn dev --reset wipes it.

`;
};

/** A webhook that arrived at the built-in receiver later. */
export const receiptText = ({ messageId, verified }: DemoReceipt): string =>
  `  received   ${messageId}, signature ${verified ? 'verified' : 'NOT verified'}\n`;
