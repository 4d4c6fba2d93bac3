/** A message in the order of ids, and whether nothing is left to do with it. */
export type Passed = { readonly id: string; readonly isDone: boolean };

/**
 * How far everything is done: the highest mark below which nothing can be missing.
 *
 * Two things hold it back: a message that is not done, and `settled`, below which every message that
 * will ever have such an id is committed. Ids are drawn before their message is written, so above
 * `settled` one with a lower id than those already read may still appear.
 *
 * @param mark The mark so far; it never goes back.
 * @param passed Messages above the mark, lowest id first, without a gap.
 * @param readTo Where reading stopped short of the newest, or null when it did not.
 */
export const nextMark = (
  mark: string,
  passed: readonly Passed[],
  readTo: string | null,
  settled: string,
): string => {
  let reached = mark;
  for (const { id, isDone } of passed) {
    if (!isDone || id > settled) return reached;
    reached = id;
  }
  const end = readTo === null || readTo > settled ? settled : readTo;
  return end > reached ? end : reached;
};
