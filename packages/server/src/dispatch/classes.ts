import { priorities, type Priority } from '../domain/delivery.ts';

/**
 * Whose turn it is among the classes of urgency, by counting starts: of twenty, critical goes first
 * in sixteen, normal in three, bulk in one. Who has nothing waiting leaves the turn to the most
 * urgent that has: a class alone gets everything, and none less than its turns.
 */
const { critical, normal, bulk } = priorities;
const CYCLE = 20;

const afterCritical: readonly Priority[] = [critical, normal, bulk];
const afterNormal: readonly Priority[] = [normal, critical, bulk];
const afterBulk: readonly Priority[] = [bulk, critical, normal];

/** The classes in the order in which they are asked at a turn. */
export const classesAt = (turn: number): readonly Priority[] => {
  const at = turn % CYCLE;
  if (at === CYCLE - 1) return afterBulk;
  return at % 5 === 4 ? afterNormal : afterCritical;
};

/** What of a bound is kept free for each class. */
export const reserveOf = (most: number): number => Math.ceil(most / 16);

/**
 * How much of a bound a class may fill: it leaves a reserve for each class above it, so that what is
 * urgent gets in where the rest is full. At least one.
 */
export const boundOf = (most: number, priority: Priority): number =>
  Math.max(1, most - reserveOf(most) * priority);
