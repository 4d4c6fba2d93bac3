import { idFloor } from '../domain/ids.ts';
import { nextMark, type Passed } from './listen-mark.ts';

/**
 * Where a poller is: everything up to `mark` is done, and above it what ends like one of `seen`. Ids
 * are drawn before their messages are committed, so a lower one can still appear above the mark.
 */
export type PollPosition = { readonly mark: string; readonly seen: ReadonlySet<string> };

/** Above the mark a position remembers at most so many messages; a faster stream waits for the mark. */
export const MOST_SEEN = 500;

const PREFIX = 'msg_';
const BODY = 27;
/** About 59 bits: enough to tell the messages of some minutes apart. */
const TAIL = 10;
const TEXT = new RegExp(`^[0-9A-Za-z]{${BODY}}(?:[0-9A-Za-z]{${TAIL}}){0,${2 * MOST_SEEN}}$`);

const tailOf = (id: string): string => id.slice(-TAIL);

export const hasSeen = (position: PollPosition, id: string): boolean => position.seen.has(tailOf(id));

/** Nothing before this moment is wanted. */
export const positionAt = (unixMs: number): PollPosition => ({
  mark: idFloor('message', unixMs),
  seen: new Set(),
});

/** A position as text, made of letters and digits; at most some kilobytes. */
export const writePosition = ({ mark, seen }: PollPosition): string =>
  mark.slice(PREFIX.length) + [...seen].join('');

/** The opposite of {@link writePosition}; null for what is no position. */
export const readPosition = (text: string): PollPosition | null => {
  if (!TEXT.test(text)) return null;
  const seen = new Set<string>();
  for (let at = BODY; at < text.length; at += TAIL) seen.add(text.slice(at, at + TAIL));
  return { mark: PREFIX + text.slice(0, BODY), seen };
};

/**
 * The position once all of `passed` is done.
 *
 * @param passed Messages above the mark, lowest id first, without a gap.
 * @param readTo Where reading stopped short of the newest, or null when it did not.
 * @param settled Below it every message that will ever have such an id is committed.
 */
export const positionAfter = (
  position: PollPosition,
  passed: readonly string[],
  readTo: string | null,
  settled: string,
): PollPosition => {
  const done = passed.map((id): Passed => ({ id, isDone: true }));
  const mark = nextMark(position.mark, done, readTo, settled);
  // What was seen beyond the end of this reading is still to be known.
  const seen = new Set(readTo === null ? [] : position.seen);
  for (const id of passed) {
    if (id > mark) seen.add(tailOf(id));
    else seen.delete(tailOf(id));
  }
  return { mark, seen };
};

/** The position once these are done too, wherever they lie. */
export const positionWith = (position: PollPosition, ids: readonly string[]): PollPosition => ({
  mark: position.mark,
  seen: new Set([...position.seen, ...ids.map(tailOf)]),
});
