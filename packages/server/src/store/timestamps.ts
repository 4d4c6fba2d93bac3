const pattern =
  /^(\d{4,6})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(\.\d+)?([+-])(\d\d)(?::?(\d\d))?(?::?(\d\d))?( BC)?$/;

/**
 * PostgreSQL's text of a timestamptz (ISO date style, any zone) as Unix milliseconds with
 * microseconds as fraction; the infinities as Infinity and -Infinity.
 */
export const timestampMs = (text: string): number => {
  if (text === 'infinity') return Infinity;
  if (text === '-infinity') return -Infinity;
  const match = pattern.exec(text);
  if (match === null || match[12] !== undefined) throw new Error(`not a timestamp: ${text}`);
  const part = (index: number): number => Number(match[index] ?? 0);
  // Date.UTC alone reads years below 100 as 19xx.
  const time = Date.UTC(2000, part(2) - 1, part(3), part(4), part(5), part(6));
  const wall = new Date(time).setUTCFullYear(part(1), part(2) - 1, part(3));
  const micros = match[7] === undefined ? 0 : Math.round(Number(match[7]) * 1e6);
  const offset = (part(9) * 3600 + part(10) * 60 + part(11)) * (match[8] === '-' ? -1 : 1);
  return wall - offset * 1000 + micros / 1000;
};
