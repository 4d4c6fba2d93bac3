const DAY_MS = 86_400_000;
const CLOCK = /^([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?$/;
const DATE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$/;

/** Reads `HH:MM[:SS]` of the day of `nowMs`, or `YYYY-MM-DDTHH:MM[:SS]`, both in UTC, as Unix milliseconds; null: neither. */
export const parseMoment = (text: string, nowMs: number): number | null => {
  const clock = CLOCK.exec(text);
  if (clock !== null) {
    const [hours = 0, minutes = 0, seconds = 0] = clock.slice(1).map((part) => Number(part ?? 0));
    return Math.floor(nowMs / DAY_MS) * DAY_MS + ((hours * 60 + minutes) * 60 + seconds) * 1000;
  }
  const ms = DATE.test(text) ? Date.parse(`${text}Z`) : Number.NaN;
  // 2026-02-30 would become the second of March.
  return Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(text) ? null : ms;
};
