/** A source of chance, uniform in [0, 1). */
export type Chance = () => number;

/** FNV-1a over the text's characters. */
const hashOf = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
};

/** mulberry32 */
const generator = (from: number): Chance => {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/**
 * All the chance of a run, from its seed: a stream of its own for everything that has a name, so that
 * what is left out of a run (by the shrinker) changes as little as can be of the rest.
 */
export const createStreams = (seed: number): ((name: string) => Chance) => {
  const streams = new Map<string, Chance>();
  return (name) => {
    let stream = streams.get(name);
    if (stream === undefined) {
      stream = generator(hashOf(`${seed} ${name}`));
      // Neighbouring seeds give neighbouring first numbers.
      stream();
      streams.set(name, stream);
    }
    return stream;
  };
};

export const between = (chance: Chance, low: number, high: number): number => low + chance() * (high - low);
export const whole = (chance: Chance, below: number): number => Math.floor(chance() * below);
export const pick = <Item>(chance: Chance, items: readonly Item[]): Item =>
  items[whole(chance, items.length)]!;
