import type { RetryPolicy } from '../domain/policy.ts';
import { retryPresets, retryWindowSeconds, toMillisecondGrid } from './retry-policy.ts';

/** Bounds of a policy that anybody may set: they keep a delivery from outliving its payload. */
export const retryBounds = {
  retries: 100,
  waitSeconds: 7 * 86_400,
  windowSeconds: 30 * 86_400,
  factor: 100,
} as const;

/** A policy on the millisecond grid, or what is wrong with the input and what to write instead. */
export type RetryPolicyResult =
  | { readonly ok: true; readonly policy: RetryPolicy }
  | { readonly ok: false; readonly message: string };

const presetNames = Object.keys(retryPresets).join(', ');
const EXPONENTIAL_EXAMPLE = 'exponential:base=1,factor=2,ceiling=3600,retries=20';

const refuse = (message: string): RetryPolicyResult => ({ ok: false, message });

const shown = (value: unknown): string => {
  if (typeof value === 'number') return `${value}`;
  return typeof value === 'string' ? `"${value.slice(0, 40)}"` : `a value of type ${typeof value}`;
};

const isWithin = (value: unknown, least: number, most: number): value is number =>
  typeof value === 'number' && value >= least && value <= most;

const withinWindow = (policy: RetryPolicy): RetryPolicyResult => {
  const window = retryWindowSeconds(policy);
  if (window <= retryBounds.windowSeconds) return { ok: true, policy };
  return refuse(
    `The retry policy's waits add up to ${window} seconds; at most ${retryBounds.windowSeconds} (30 days) are allowed. Use fewer or shorter waits.`,
  );
};

const listPolicy = (waits: readonly unknown[]): RetryPolicyResult => {
  if (waits.length > retryBounds.retries) {
    return refuse(
      `The retry policy has ${waits.length} waits; at most ${retryBounds.retries} are allowed. Leave some out.`,
    );
  }
  const waitsSeconds: number[] = [];
  for (const [index, wait] of waits.entries()) {
    if (!isWithin(wait, 0, retryBounds.waitSeconds)) {
      return refuse(
        `Wait ${index + 1} of the retry policy is ${shown(wait)}, not a number of seconds from 0 to ${retryBounds.waitSeconds} (7 days). Fractions such as 0.5 are fine.`,
      );
    }
    waitsSeconds.push(toMillisecondGrid(wait));
  }
  return withinWindow({ kind: 'list', waitsSeconds });
};

type ExponentialInput = {
  readonly base: unknown;
  readonly factor: unknown;
  readonly ceiling: unknown;
  readonly retries: unknown;
};

const exponentialPolicy = ({ base, factor, ceiling, retries }: ExponentialInput): RetryPolicyResult => {
  const outside = (name: string, value: unknown, what: string): RetryPolicyResult =>
    refuse(`The retry policy's ${name} is ${shown(value)}, not ${what}.`);
  const longest = `${retryBounds.waitSeconds} (7 days)`;
  if (!isWithin(base, 0.001, retryBounds.waitSeconds)) {
    return outside('base', base, `a number of seconds from 0.001 to ${longest}`);
  }
  if (!isWithin(factor, 1, retryBounds.factor)) {
    return outside('factor', factor, `a number from 1 to ${retryBounds.factor}`);
  }
  if (!isWithin(ceiling, base, retryBounds.waitSeconds)) {
    return outside('ceiling', ceiling, `a number of seconds from the base (${base}) to ${longest}`);
  }
  if (!isWithin(retries, 0, retryBounds.retries) || !Number.isInteger(retries)) {
    return outside('number of retries', retries, `a whole number from 0 to ${retryBounds.retries}`);
  }
  return withinWindow({
    kind: 'exponential',
    baseSeconds: toMillisecondGrid(base),
    factor,
    ceilingSeconds: toMillisecondGrid(ceiling),
    retries,
  });
};

/**
 * A policy from JSON: an array of seconds, or a {@link RetryPolicy} as it is stored. Seconds are
 * rounded to the millisecond; unknown fields are ignored. Never throws.
 */
export const validateRetryPolicy = (input: unknown): RetryPolicyResult => {
  if (Array.isArray(input)) return listPolicy(input);
  if (typeof input === 'object' && input !== null) {
    const fields: Readonly<Record<string, unknown>> = { ...input };
    if (fields['kind'] === 'list' && Array.isArray(fields['waitsSeconds'])) {
      return listPolicy(fields['waitsSeconds']);
    }
    if (fields['kind'] === 'exponential') {
      return exponentialPolicy({
        base: fields['baseSeconds'],
        factor: fields['factor'],
        ceiling: fields['ceilingSeconds'],
        retries: fields['retries'],
      });
    }
  }
  return refuse(
    'A retry policy is an array of seconds such as [1, 5, 30], {"kind": "list", "waitsSeconds": […]} or {"kind": "exponential", "baseSeconds": 1, "factor": 2, "ceilingSeconds": 3600, "retries": 20}.',
  );
};

/** Plain decimals only: what a person would write for seconds. Anything else stays text and is refused with its name. */
const numberOrText = (text: string): number | string =>
  /^\d{1,16}(\.\d{1,20})?$/.test(text) ? Number(text) : text;

const parseExponential = (settings: string): RetryPolicyResult => {
  const given = new Map<string, number | string>();
  for (const setting of settings.split(',')) {
    const [name = '', value = '', ...rest] = setting.split('=').map((part) => part.trim());
    if (!/^(base|factor|ceiling|retries)$/.test(name) || rest.length > 0 || given.has(name)) {
      return refuse(
        `The retry policy's setting ${shown(setting.trim())} is unknown or repeated. Write it like "${EXPONENTIAL_EXAMPLE}".`,
      );
    }
    given.set(name, numberOrText(value));
  }
  if (given.size < 4) {
    return refuse(
      `The exponential retry policy needs base, factor, ceiling and retries. Write it like "${EXPONENTIAL_EXAMPLE}".`,
    );
  }
  return exponentialPolicy({
    base: given.get('base'),
    factor: given.get('factor'),
    ceiling: given.get('ceiling'),
    retries: given.get('retries'),
  });
};

const isPreset = (text: string): text is keyof typeof retryPresets => Object.hasOwn(retryPresets, text);

/**
 * A policy from configuration: the name of a preset; waits in seconds, separated by commas or
 * spaces; `exponential:base=…,factor=…,ceiling=…,retries=…` in any order. Blank text means no
 * retry: one attempt. Never throws; {@link formatRetryPolicy} is the inverse.
 */
export const parseRetryPolicy = (text: string): RetryPolicyResult => {
  const spec = text.trim();
  if (spec === '') return listPolicy([]);
  if (isPreset(spec)) return { ok: true, policy: retryPresets[spec] };
  if (spec.startsWith('exponential:')) return parseExponential(spec.slice('exponential:'.length));
  if (!/^[\d.+-]/.test(spec)) {
    return refuse(
      `${shown(spec)} is no retry policy. Use a preset (${presetNames}), seconds such as "1,5,30", or "${EXPONENTIAL_EXAMPLE}".`,
    );
  }
  return listPolicy(spec.split(/\s*,\s*|\s+/).map(numberOrText));
};

/** A policy as {@link parseRetryPolicy} reads it. */
export const formatRetryPolicy = (policy: RetryPolicy): string => {
  switch (policy.kind) {
    case 'list':
      return policy.waitsSeconds.join(',');
    case 'exponential':
      return `exponential:base=${policy.baseSeconds},factor=${policy.factor},ceiling=${policy.ceilingSeconds},retries=${policy.retries}`;
    default:
      return policy satisfies never;
  }
};
