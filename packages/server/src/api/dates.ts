const RFC_3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?\s?([Zz]|UTC|[+-]\d{2}:\d{2})$/;

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const daysIn = (year: number, month: number): number =>
  month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : DAYS[month - 1]!;

// The years that RFC 3339 can write, in UTC: a zone must not carry a moment out of them.
const FIRST_MS = Date.parse('0001-01-01T00:00:00Z');
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z');

const offsetMs = (zone: string): number | null => {
  if (/^(?:[Zz]|UTC)$/.test(zone)) return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(4, 6));
  if (hours > 23 || minutes > 59) return null;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
};

/**
 * Unix milliseconds of a date as clients of the Svix API write it: RFC 3339, or the same with a
 * blank for the T and `UTC` for the zone. A `+` that a query string turned into a blank is
 * understood. null for anything else, also for days and hours that do not exist and for moments that lie
 * outside the years 1 to 9999 in UTC.
 */
export const parseDate = (text: string): number | null => {
  const match = RFC_3339.exec(text.replace(/ (\d{2}:\d{2})$/, '+$1'));
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const zoneMs = offsetMs(match[8]!);
  if (zoneMs === null || year < 1 || month < 1 || month > 12) return null;
  if (day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59) return null;
  const milliseconds = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const whole = Date.UTC(2000, month - 1, day, hour, minute, second);
  // Date.UTC reads years below 100 as 19xx.
  const moved = new Date(whole).setUTCFullYear(year, month - 1, day);
  const atMs = moved + milliseconds - zoneMs;
  return isWritable(atMs) ? atMs : null;
};

/** Whether a moment lies in the years that RFC 3339 can write. */
export const isWritable = (unixMs: number): boolean => unixMs >= FIRST_MS && unixMs <= LAST_MS;

/** RFC 3339 in UTC, milliseconds: how the API writes moments. */
export const formatDate = (unixMs: number): string => new Date(unixMs).toISOString();
