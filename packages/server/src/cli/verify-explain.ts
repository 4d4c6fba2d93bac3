import { verify, type VerifyResult } from '@posthorn/receiver';
import type { Captured } from './captured.ts';

/** One step of a verification. `skipped`: an earlier one failed. */
export type Check = {
  readonly check: 'headers' | 'timestamp' | 'signature format' | 'signature';
  readonly state: 'ok' | 'failed' | 'skipped';
  readonly why: string;
};

export type Explanation = {
  readonly ok: boolean;
  /** As of `@posthorn/receiver`, or null. */
  readonly code: string | null;
  readonly checks: readonly Check[];
  /** What probably happened. */
  readonly hints: readonly string[];
};

const STEPS = ['headers', 'timestamp', 'signature format', 'signature'] as const;
const STEP_OF: Readonly<Record<string, (typeof STEPS)[number]>> = {
  missing_header: 'headers',
  duplicate_header: 'headers',
  bad_id: 'headers',
  bad_timestamp: 'timestamp',
  timestamp_too_old: 'timestamp',
  timestamp_too_new: 'timestamp',
  no_usable_signature: 'signature format',
  too_many_signatures: 'signature format',
};

const FINE: Readonly<Record<Check['check'], string>> = {
  headers: 'id, timestamp and signature are there once',
  timestamp: 'within the tolerance',
  'signature format': 'at least one v1 or v1a entry',
  signature: 'made with this secret over these bytes',
};

const parsed = (body: Buffer): unknown => {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
};

/** What a body may have been before somebody changed it, with what they did. */
const formerBodies = (body: Buffer): readonly (readonly [body: Buffer, what: string])[] => {
  const text = body.toString('utf8');
  const value = parsed(body);
  const asJson = (indent?: number): Buffer => Buffer.from(JSON.stringify(value, null, indent));
  return [
    [Buffer.from(text.replace(/\r?\n$/, '')), 'a line end was added to the body (an editor, or echo, does)'],
    [Buffer.from(`${text}\n`), 'a line end was removed from the body'],
    [Buffer.from(text.replaceAll('\r\n', '\n')), 'line ends were changed from \\n to \\r\\n'],
    [Buffer.from(text.replaceAll(/(?<!\r)\n/g, '\r\n')), 'line ends were changed from \\r\\n to \\n'],
    [Buffer.from(text.replace(/^\uFEFF/, '')), 'a byte order mark was put in front'],
    [Buffer.from(text, 'latin1'), 'the bytes were read as Latin-1 and written as UTF-8'],
    ...(value === undefined
      ? []
      : ([
          [asJson(), 'the JSON was parsed and printed again with other spaces'],
          [asJson(2), 'the JSON was parsed and printed again without its indentation'],
          [
            Buffer.from(JSON.stringify(value).replaceAll(':', ': ').replaceAll(',', ', ')),
            'the JSON was parsed and printed again with other spaces',
          ],
        ] as const)),
  ];
};

/** Headers that say that the signature is of now: its age is another check's. */
const sentAtMs = ({ headers }: Captured): number => {
  const value = headers['webhook-timestamp'] ?? headers['svix-timestamp'];
  return Number(typeof value === 'string' ? value : NaN) * 1000;
};

const ageHint = (captured: Captured, nowMs: number): string => {
  const seconds = Math.round((nowMs - sentAtMs(captured)) / 1000);
  const span = `${Math.abs(seconds)} s ${seconds > 0 ? 'ago' : 'ahead'}`;
  return `It was signed ${span}. Is it an old capture (then --at sent judges it as of its own time), is the clock of one side wrong, or was it replayed by a stranger?`;
};

/** Which check of Standard Webhooks fails for a captured request, and what probably happened to it. */
export const explain = async (
  captured: Captured,
  secrets: readonly string[],
  nowMs: number,
  toleranceSeconds: number,
): Promise<Explanation> => {
  const at = (body: Buffer, ms: number, secret: readonly string[] = secrets): Promise<VerifyResult> =>
    verify(body, captured.headers, secret, { nowMs: ms, toleranceSeconds });
  const result = await at(captured.body, nowMs);
  const failed = result.ok ? null : (STEP_OF[result.code] ?? 'signature');
  const failedAt = failed === null ? STEPS.length : STEPS.indexOf(failed);
  const checks = STEPS.map((check, index): Check => {
    if (index < failedAt) return { check, state: 'ok', why: FINE[check] };
    if (index > failedAt) return { check, state: 'skipped', why: 'an earlier check failed' };
    return { check, state: 'failed', why: result.ok ? '' : result.message };
  });
  if (result.ok) return { ok: true, code: null, checks, hints: [] };

  const hints: string[] = [];
  if (result.code.startsWith('timestamp_')) {
    hints.push(ageHint(captured, nowMs));
    const own = await at(captured.body, sentAtMs(captured));
    hints.push(own.ok ? 'Apart from its age it is genuine.' : `Apart from its age: ${own.message}`);
  }
  if (result.code === 'missing_header') {
    const names = Object.keys(captured.headers).filter((name) => /signature|hmac/i.test(name));
    hints.push(
      names.length > 0
        ? `It has ${names.join(', ')}: another sender’s scheme? @posthorn/receiver has presets for several.`
        : 'A proxy may drop headers that it does not know, or the capture left them out.',
    );
  }
  if (result.code === 'signature_mismatch') {
    for (const [body, what] of formerBodies(captured.body)) {
      if (body.equals(captured.body) || !(await at(body, sentAtMs(captured))).ok) continue;
      hints.push(`With another body it fits: ${what}. Verify the raw bytes, before any parser.`);
      break;
    }
    const decoded = secrets
      .map((secret) => secret.trim())
      .filter((secret, index) => secret !== secrets[index]);
    if (decoded.length > 0 && (await at(captured.body, nowMs, decoded)).ok)
      hints.push('Without the spaces around it the secret fits.');
    if (hints.length === 0)
      hints.push(
        'No usual change of the body explains it: it is probably another endpoint’s secret, or one that was rotated away.',
      );
  }
  if (result.code === 'bad_secret')
    hints.push(
      'Copy the secret whole: whsec_ and base64, 24 to 64 bytes. posthorn endpoints secret prints it.',
    );
  return { ok: false, code: result.code, checks, hints };
};
