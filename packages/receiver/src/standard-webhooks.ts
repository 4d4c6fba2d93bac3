import type { Source } from './contract.ts';
import { type Secret, secretList, secretsProblem } from './secrets.ts';
import { verify } from './verify.ts';

export type StandardWebhooksOptions = {
  /** @default 'standard-webhooks' */
  readonly name?: string;
  /** How far the timestamp may be from now, in seconds. @default 300 */
  readonly toleranceSeconds?: number;
  /** Unix time in milliseconds. @default the machine's clock */
  readonly nowMs?: () => number;
};

/** The longest of the schedules in use: the example in the specification, 75 hours. */
const RETRY_WINDOW_MS = 75 * 3_600_000;

/**
 * What Posthorn sends, and everybody else who follows Standard Webhooks, as a source for a
 * handler. Secrets as for `verify`.
 *
 * @throws TypeError at once when there is no secret or one cannot be read.
 */
export const standardWebhooks = (
  secrets: Secret | readonly Secret[],
  { name = 'standard-webhooks', nowMs = Date.now, ...options }: StandardWebhooksOptions = {},
): Source => {
  const list = secretList(secrets);
  const problem = secretsProblem(list);
  if (problem !== null) throw new TypeError(`${name}: ${problem}`);
  return {
    name,
    retryWindowMs: RETRY_WINDOW_MS,
    check: ({ body, headers }) => verify(body, headers, list, { ...options, nowMs: nowMs() }),
  };
};
