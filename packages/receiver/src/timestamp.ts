import type { Refused } from './contract.ts';
import { refuse } from './errors.ts';

/**
 * Whether a timestamp as a sender writes it, in whole seconds since 1970, is near enough to now.
 *
 * @returns Unix time in milliseconds.
 */
export const checkTimestamp = (
  text: string,
  toleranceSeconds: number,
  nowMs: number,
  field: string,
): number | Refused => {
  if (!/^(0|[1-9]\d{0,11})$/.test(text))
    return refuse('bad_timestamp', 'The timestamp is not a whole number of seconds since 1970.', field);
  const age = Math.floor(nowMs / 1_000) - Number(text);
  const hint = 'Look at this machine’s clock first; a webhook that is replayed later looks the same.';
  // Turned around, so that a tolerance that is no number refuses.
  if (!(age <= toleranceSeconds))
    return refuse('timestamp_too_old', `The webhook was sent ${age} seconds ago. ${hint}`, field);
  if (!(-age <= toleranceSeconds))
    return refuse('timestamp_too_new', `The webhook was sent ${-age} seconds in the future. ${hint}`, field);
  return Number(text) * 1_000;
};
