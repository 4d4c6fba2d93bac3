/**
 * Identifiers: a prefix and 27 base62 characters, sortable by time.
 *
 * The 20 bytes behind the text are, big-endian: 4 bytes of seconds since the KSUID epoch,
 * 1 byte of 4 ms ticks, 15 bytes that make it unique. Text order (COLLATE "C") is time order.
 */

export type OrgId = string;
export type ApplicationId = string;
export type EndpointId = string;
export type MessageId = string;

export const idPrefixes = {
  org: 'org_',
  application: 'app_',
  endpoint: 'ep_',
  message: 'msg_',
  attempt: 'atmpt_',
  eventType: 'evtype_',
  task: 'qtask_',
} as const;

export type IdKind = keyof typeof idPrefixes;

const KSUID_EPOCH_SECONDS = 1_400_000_000;
const BODY_LENGTH = 27;
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
// 62^5 is the largest power whose remainder times 2^16 still fits a double exactly.
const CHUNK_DIGITS = 5;
const CHUNK_BASE = 62 ** CHUNK_DIGITS;

/** Every pair of digits, for writing two at a time. */
const PAIRS: readonly string[] = Array.from(
  { length: 3844 },
  (_, value) => ALPHABET[Math.floor(value / 62)]! + ALPHABET[value % 62]!,
);

/** The bytes of one id in ten 16-bit limbs, most significant first. */
type Limbs = Uint16Array;

const encodeLimbs = (limbs: Limbs): string => {
  let text = '';
  while (text.length < BODY_LENGTH) {
    let remainder = 0;
    for (let i = 0; i < limbs.length; i++) {
      const value = remainder * 0x10000 + limbs[i]!;
      limbs[i] = Math.floor(value / CHUNK_BASE);
      remainder = value % CHUNK_BASE;
    }
    for (let digit = 0; digit < CHUNK_DIGITS && text.length < BODY_LENGTH; digit++) {
      text = ALPHABET[remainder % 62]! + text;
      remainder = Math.floor(remainder / 62);
    }
  }
  return text;
};

const timeLimbs = (limbs: Limbs, timeMs: number): void => {
  const seconds = Math.floor(timeMs / 1000) - KSUID_EPOCH_SECONDS;
  const tick = Math.floor((((timeMs % 1000) + 1000) % 1000) / 4);
  limbs[0] = seconds >>> 16;
  limbs[1] = seconds & 0xffff;
  limbs[2] = (limbs[2]! & 0xff) | (tick << 8);
};

/**
 * The smallest id of a kind at a moment: a bound for "since" and "until" queries.
 *
 * @param timeMs Unix time in milliseconds; rounded down to 4 ms. Times before the KSUID
 *   epoch (2014-05-13) and after 2150 are clamped to what an id can say.
 */
export const idFloor = (kind: IdKind, timeMs: number): string => {
  const lowest = KSUID_EPOCH_SECONDS * 1000;
  const highest = (KSUID_EPOCH_SECONDS + 0xffffffff) * 1000;
  const limbs = new Uint16Array(10);
  timeLimbs(limbs, Math.min(Math.max(timeMs, lowest), highest));
  return idPrefixes[kind] + encodeLimbs(limbs);
};

// Ids of one moment share their beginning, and are asked about one after another.
const MEMO_DIGITS = 10;
let memoHead = '';
let memoTimeMs: number | null = null;

/** Unix time in milliseconds that an id carries (4 ms steps), or null when it is no id of ours. */
export const idTimeMs = (id: string): number | null => {
  const start = id.indexOf('_') + 1;
  if (id.length - start !== BODY_LENGTH) return null;
  const head = id.slice(start, start + MEMO_DIGITS);
  if (head === memoHead && isDigits(id, start + MEMO_DIGITS)) return memoTimeMs;
  const body = id.slice(start);
  const timeMs = decodeTimeMs(body);
  // The same beginning means the same time only where its lowest and highest id agree.
  const rest = BODY_LENGTH - MEMO_DIGITS;
  if (timeMs !== null && decodeTimeMs(head + '0'.repeat(rest)) === decodeTimeMs(head + 'z'.repeat(rest))) {
    memoHead = head;
    memoTimeMs = timeMs;
  }
  return timeMs;
};

const isDigits = (text: string, from: number): boolean => {
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const isDigit = code >= 0x30 && code <= 0x39;
    const isLetter = (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
    if (!isDigit && !isLetter) return false;
  }
  return true;
};

const decodeTimeMs = (body: string): number | null => {
  const limbs = new Uint16Array(10);
  for (const character of body) {
    let carry = ALPHABET.indexOf(character);
    if (carry < 0) return null;
    for (let i = limbs.length - 1; i >= 0; i--) {
      const value = limbs[i]! * 62 + carry;
      limbs[i] = value & 0xffff;
      carry = value >>> 16;
    }
    if (carry > 0) return null;
  }
  const seconds = limbs[0]! * 0x10000 + limbs[1]! + KSUID_EPOCH_SECONDS;
  return seconds * 1000 + (limbs[2]! >>> 8) * 4;
};

/** Makes ids; see {@link createIdSource}. */
export type IdSource = (kind: IdKind) => string;

/**
 * Makes ids that rise with time, also within one 4 ms tick (neighbours in an index stay
 * neighbours): the unique part starts at random and counts up until the tick changes.
 *
 * @param nowMs Unix time in milliseconds. May jump back; ids then stay at the highest time seen.
 * @param randomBytes As many random bytes as asked for.
 */
export const createIdSource = (nowMs: () => number, randomBytes: (count: number) => Uint8Array): IdSource => {
  const limbs = new Uint16Array(10);
  const scratch = new Uint16Array(10);
  let tick = -1;
  // Within a tick only the last characters change: they are counted, the others stay.
  let head = '';
  let tail = 0;
  const encode = (): void => {
    scratch.set(limbs);
    const body = encodeLimbs(scratch);
    head = body.slice(0, -CHUNK_DIGITS);
    tail = 0;
    for (const character of body.slice(-CHUNK_DIGITS)) tail = tail * 62 + ALPHABET.indexOf(character);
  };
  const startTick = (timeMs: number): void => {
    const random = randomBytes(15);
    limbs[2] = random[0]!;
    for (let i = 0; i < 7; i++) limbs[3 + i] = (random[1 + 2 * i]! << 8) | random[2 + 2 * i]!;
    timeLimbs(limbs, timeMs);
    encode();
  };
  /** Adds `count` to the number that the limbs are. */
  const addToLimbs = (count: number): void => {
    let carry = count;
    for (let i = 9; i >= 3 && carry > 0; i--) {
      const value = limbs[i]! + carry;
      limbs[i] = value & 0xffff;
      carry = Math.floor(value / 0x10000);
    }
  };
  let counted = 0;
  const countUp = (): void => {
    counted++;
    if (++tail < CHUNK_BASE) return;
    addToLimbs(counted);
    counted = 0;
    encode();
  };
  return (kind) => {
    const timeMs = nowMs();
    const newTick = Math.floor(timeMs / 4);
    if (newTick > tick) {
      tick = newTick;
      counted = 0;
      startTick(timeMs);
    } else {
      countUp();
    }
    const low = tail % 3844;
    const rest = (tail - low) / 3844;
    const high = rest % 3844;
    return idPrefixes[kind] + head + ALPHABET[(rest - high) / 3844]! + PAIRS[high]! + PAIRS[low]!;
  };
};
