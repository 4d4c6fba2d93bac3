/** No receiver can ask for more than this, so that a wrong header cannot park a delivery for good. */
export const RETRY_AFTER_CAP_MS = 24 * 60 * 60 * 1000;

const LONGEST_SENSIBLE = 64;

/** RFC 9110 section 5.6.7, IMF-fixdate alone; null for everything else, days that do not exist included. */
const parseImfFixdate = (text: string): number | null => {
  const timeMs = Date.parse(text);
  // Date.parse takes much more than this one form, but prints exactly it: what does not come back
  // as it went in was another form, an impossible date or the wrong day of the week.
  return !Number.isNaN(timeMs) && new Date(timeMs).toUTCString() === text ? timeMs : null;
};

/**
 * How long a receiver asks to be left alone (RFC 9110 section 10.2.3).
 *
 * @param header The header as it came; several values joined by a comma count as garbage.
 * @param nowMs Unix time in milliseconds, for the form that names a date.
 * @returns Milliseconds from now, 0 to {@link RETRY_AFTER_CAP_MS} (more is cut to that); 0 for a
 *   date that is past. null when there is no header or none that means anything: signs, fractions,
 *   more than nine digits, other date forms, overlong text.
 */
export const parseRetryAfter = (header: string | null, nowMs: number): number | null => {
  if (header === null || header.length > LONGEST_SENSIBLE) return null;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Math.min(Number(text) * 1000, RETRY_AFTER_CAP_MS);
  const dateMs = parseImfFixdate(text);
  if (dateMs === null) return null;
  return Math.min(Math.max(Math.ceil(dateMs - nowMs), 0), RETRY_AFTER_CAP_MS);
};
