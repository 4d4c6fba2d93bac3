import type { LoadShape } from './round.ts';

export type SubjectName = 'reference' | 'durable' | 'relayHono';

/** One kind of measurement that every round repeats. */
export interface Case {
  readonly name: CaseName;
  readonly subject: SubjectName;
  readonly shape: Omit<LoadShape, 'durationMs'>;
}

export type CaseName =
  | 'reference'
  | 'durable'
  | 'relayHono'
  | 'referenceBatch100'
  | 'durableBatch100'
  | 'durableKeys';

/** Closed loop, enough connections that the server is never idle between answers. */
const single = { batch: 1, keys: false, connections: 128, rate: undefined };
const batch100 = { batch: 100, keys: false, connections: 8, rate: undefined };

export const cases: readonly Case[] = [
  { name: 'reference', subject: 'reference', shape: single },
  { name: 'durable', subject: 'durable', shape: single },
  { name: 'relayHono', subject: 'relayHono', shape: single },
  { name: 'referenceBatch100', subject: 'reference', shape: batch100 },
  { name: 'durableBatch100', subject: 'durable', shape: batch100 },
  { name: 'durableKeys', subject: 'durable', shape: { ...single, keys: true } },
];

/** The two sides of each ratio that the report names. */
export const ratioPairs = {
  oneProcess: ['durable', 'reference'],
  batch100: ['durableBatch100', 'referenceBatch100'],
  oneProcessWithKeys: ['durableKeys', 'reference'],
  oneProcessToRelayHono: ['durable', 'relayHono'],
  relayHonoToReference: ['relayHono', 'reference'],
} as const satisfies Record<string, readonly [CaseName, CaseName]>;

export type RatioName = keyof typeof ratioPairs;

/**
 * Order of the cases in one round: rotated, and every other round backwards, so
 * that none always follows the same neighbour (a checkpoint or a warm cache of
 * one would otherwise always be the gain or loss of the next).
 */
export function orderOf<Item>(items: readonly Item[], round: number): Item[] {
  if (items.length === 0) return [];
  const shift = (round >> 1) % items.length;
  const rotated = [...items.slice(shift), ...items.slice(0, shift)];
  return round % 2 === 0 ? rotated : rotated.reverse();
}
