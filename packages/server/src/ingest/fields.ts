/** Field rules of message create. Pure; each check answers with issues in the API's 422 shape. */
import { priorities, priorityNames, type Priority } from '../domain/delivery.ts';

/** One reason for a 422. */
export type Issue = {
  readonly loc: readonly string[];
  readonly msg: string;
  readonly type: string;
};

export const issue = (loc: readonly string[], msg: string, type = 'value_error'): Issue => ({
  loc,
  msg,
  type,
});

/** The type of an issue that may not have been one when the request was made first. */
export const PAST = 'value_error.past';

const NAME = /^[a-zA-Z0-9\-_.]+$/;
const CHANNEL = /^[a-zA-Z0-9\-_.:+]+$/;
const TAG = /^[a-zA-Z0-9\-_./\\#]+$/;
const CONTENT_TYPE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+\/[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*;[\x20-\x7e]*)?$/;
const RFC3339 =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[Tt ](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** Takes the value, or adds to `issues` and answers undefined. */
export type Check<T> = (value: unknown, loc: readonly string[], issues: Issue[]) => T | undefined;

const text =
  (options: {
    max: number;
    pattern: RegExp;
    allowed: string;
    notPrefix?: string;
    wrap?: string;
  }): Check<string> =>
  (value, loc, issues) => {
    const at = options.wrap === undefined ? loc : [...loc, options.wrap];
    if (typeof value !== 'string') {
      issues.push(issue(loc, 'expected a string', 'value_error.jsondecode'));
      return undefined;
    }
    if (value.length === 0 || value.length > options.max) {
      issues.push(issue(at, `must be 1 to ${options.max} characters long`));
      return undefined;
    }
    if (!options.pattern.test(value)) {
      issues.push(issue(at, `may only contain ${options.allowed}`));
      return undefined;
    }
    if (options.notPrefix !== undefined && value.startsWith(options.notPrefix)) {
      issues.push(issue(at, `must not start with "${options.notPrefix}"`));
      return undefined;
    }
    return value;
  };

const list =
  (item: Check<string>, min: number, max: number): Check<readonly string[]> =>
  (value, loc, issues) => {
    if (!Array.isArray(value)) {
      issues.push(issue(loc, 'expected a list', 'value_error.jsondecode'));
      return undefined;
    }
    if (value.length < min || value.length > max) {
      issues.push(issue(loc, `must have ${min} to ${max} items`));
      return undefined;
    }
    const before = issues.length;
    const items = value.map((entry, index) => item(entry, [...loc, `[${index}]`], issues));
    return issues.length > before ? undefined : [...new Set(items as string[])];
  };

const CHARACTERS = 'letters, digits, "-", "_" and "."';

export const eventType = text({ max: 256, pattern: NAME, allowed: CHARACTERS, wrap: '__all__' });
export const eventId = text({
  max: 256,
  pattern: NAME,
  allowed: CHARACTERS,
  notPrefix: 'msg_',
  wrap: '__all__',
});
export const channels = list(
  text({ max: 256, pattern: CHANNEL, allowed: `${CHARACTERS}, ":" and "+"` }),
  1,
  10,
);
export const tags = list(text({ max: 128, pattern: TAG, allowed: `${CHARACTERS}, "/", "\\" and "#"` }), 0, 5);
export const contentType = text({
  max: 255,
  pattern: CONTENT_TYPE,
  allowed: 'a media type such as "application/xml"',
});

const MAX_ORDERING_KEY = 256;

/** Any text of up to 256 characters, without control characters and half surrogate pairs. */
export const orderingKey = text({
  max: MAX_ORDERING_KEY,
  pattern: /^[^\p{Cc}\p{Cs}]+$/u,
  allowed: 'characters that can be printed (no control characters, no lone surrogates)',
});

/** An integer in a range. */
export const integer =
  (min: number, max: number): Check<number> =>
  (value, loc, issues) => {
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      issues.push(issue(loc, 'expected an integer', 'value_error.jsondecode'));
      return undefined;
    }
    if (value < min || value > max) {
      issues.push(issue(loc, `must be between ${min} and ${max}`));
      return undefined;
    }
    return value;
  };

/** The name of a class of urgency. */
export const priority: Check<Priority> = (value, loc, issues) => {
  const name = priorityNames.find((one) => one === value);
  if (name === undefined) issues.push(issue(loc, `must be one of ${priorityNames.join(', ')}`));
  return name === undefined ? undefined : priorities[name];
};

const FIRST_MS = Date.parse('0001-01-01T00:00:00Z');
const LAST_MS = Date.parse('9998-12-31T23:59:59.999Z');

/** False for the 30th of February, which Date.parse takes for a day in March. */
const isDay = (date: string): boolean => new Date(`${date}T00:00Z`).getUTCDate() === Number(date.slice(8));

/** An RFC 3339 moment between the years 1 and 9998 in UTC, as Unix milliseconds. */
export const moment: Check<number> = (value, loc, issues) => {
  const atMs =
    typeof value === 'string' && RFC3339.test(value) && isDay(value.slice(0, 10))
      ? Date.parse(value.replace(':60', ':59'))
      : Number.NaN;
  // The zone counts: it may carry the moment out of the years that can be stored and written again.
  if (!(atMs >= FIRST_MS && atMs <= LAST_MS)) {
    issues.push(issue(loc, 'expected an RFC 3339 date and time such as "2026-01-31T12:00:00Z"'));
    return undefined;
  }
  return atMs;
};
