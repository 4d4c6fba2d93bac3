/** How the wire behaves. Everything that is left out is as on a good one. */
export type Toxics = {
  /** Each piece of data arrives this much later, in both directions. */
  readonly latencyMs?: number;
  /** … and by up to this much more, in order all the same. */
  readonly jitterMs?: number;
  readonly bytesPerSecond?: number;
  /** Data arrives in pieces of at most so many bytes. */
  readonly sliceBytes?: number;
  /** A connection is reset once it has carried so many bytes, both directions counted. */
  readonly limitBytes?: number;
  /**
   * through  The wire is there.
   * silent   Nothing gets through and nobody is told so, as on a network that lost its route.
   * refused  Nobody listens, and connections that were open are reset.
   */
  readonly way?: 'through' | 'silent' | 'refused';
};

const AMOUNTS = ['latencyMs', 'jitterMs', 'bytesPerSecond', 'sliceBytes', 'limitBytes'] as const;
const MAY_BE_ZERO: readonly string[] = ['latencyMs', 'jitterMs', 'limitBytes'];
const WAYS = ['through', 'silent', 'refused'] as const;

/** Reads toxics from parsed JSON; a text says what is wrong with it. */
export const readToxics = (value: unknown): Toxics | string => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'toxics are an object';
  for (const [name, given] of Object.entries(value)) {
    if (name === 'way') {
      if (!WAYS.some((way) => way === given)) return `way is one of ${WAYS.join(', ')}, not ${String(given)}`;
    } else if (!AMOUNTS.some((amount) => amount === name)) {
      return `there is no toxic ${name}; there are ${AMOUNTS.join(', ')} and way`;
    } else if (typeof given !== 'number' || !(given > 0 || (given === 0 && MAY_BE_ZERO.includes(name)))) {
      return `${name} is a number above 0, not ${String(given)}`;
    }
  }
  return value;
};

/** One direction of one connection: when each piece of data may go on. Pure but for what it remembers. */
export type Gate = (bytes: number, nowMs: number) => number;

/** @param random In [0, 1). */
export const createGate = (toxics: () => Toxics, random: () => number): Gate => {
  let freeMs = 0;
  return (bytes, nowMs) => {
    const { latencyMs = 0, jitterMs = 0, bytesPerSecond } = toxics();
    const arrivesMs = nowMs + latencyMs + jitterMs * random();
    const takesMs = bytesPerSecond === undefined ? 0 : (bytes / bytesPerSecond) * 1000;
    // Behind what went before: a wire keeps the order.
    freeMs = Math.max(freeMs, arrivesMs) + takesMs;
    return freeMs;
  };
};

/** A piece of data cut up as it arrives. */
export const slice = (chunk: Buffer, { sliceBytes }: Toxics): readonly Buffer[] => {
  if (sliceBytes === undefined || chunk.length <= sliceBytes) return [chunk];
  const pieces: Buffer[] = [];
  for (let at = 0; at < chunk.length; at += sliceBytes) pieces.push(chunk.subarray(at, at + sliceBytes));
  return pieces;
};
