/** One message on its way; its bytes are fixed when it is handed over. */
export type Item<Message> = {
  readonly application: string;
  readonly message: Message;
  readonly bytes: Uint8Array;
  readonly sinceMs: number;
};

export type Limits = { readonly messages: number; readonly bytes: number };

/** How many to take at once. */
export type BatchLimits = Limits;

/**
 * What waits and what is under way, bounded together. Waiting items are kept by application, oldest first.
 */
export class Buffer<Message> {
  readonly #limits: Limits;
  readonly #waiting = new Set<Item<Message>>();
  readonly #byApplication = new Map<string, Set<Item<Message>>>();
  #underWay = 0;
  #bytes = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get messages(): number {
    return this.#waiting.size + this.#underWay;
  }

  get bytes(): number {
    return this.#bytes;
  }

  hasRoomFor(bytes: number): boolean {
    return this.messages < this.#limits.messages && this.#bytes + bytes <= this.#limits.bytes;
  }

  /** Whether it could be taken by an empty buffer. */
  couldTake(bytes: number): boolean {
    return bytes <= this.#limits.bytes;
  }

  add(item: Item<Message>): void {
    this.#waiting.add(item);
    this.#bytes += item.bytes.length;
    const own = this.#byApplication.get(item.application);
    if (own === undefined) this.#byApplication.set(item.application, new Set([item]));
    else own.add(item);
  }

  /** Takes out the oldest that is not under way; null where all are. */
  dropOldest(): Item<Message> | null {
    const [oldest] = this.#waiting;
    if (oldest === undefined) return null;
    this.#remove(oldest);
    this.#bytes -= oldest.bytes.length;
    return oldest;
  }

  waiting(): Iterable<Item<Message>> {
    return this.#waiting;
  }

  applications(): Iterable<string> {
    return this.#byApplication.keys();
  }

  /** Since when the oldest waiting message of an application waits. */
  oldestOf(application: string): number {
    const [oldest] = this.#byApplication.get(application) ?? [];
    return oldest?.sinceMs ?? Infinity;
  }

  isFull(application: string, limits: BatchLimits): boolean {
    const own = this.#byApplication.get(application);
    if (own === undefined) return false;
    if (own.size >= limits.messages) return true;
    let bytes = 0;
    for (const item of own) bytes += item.bytes.length;
    return bytes >= limits.bytes;
  }

  /** The next messages of an application; under way until {@link settle}d. At least one. */
  take(application: string, limits: BatchLimits): Item<Message>[] {
    const taken: Item<Message>[] = [];
    let bytes = 0;
    for (const item of this.#byApplication.get(application) ?? []) {
      bytes += item.bytes.length;
      if (taken.length >= limits.messages || (bytes > limits.bytes && taken.length > 0)) break;
      taken.push(item);
    }
    for (const item of taken) this.#remove(item);
    this.#underWay += taken.length;
    return taken;
  }

  settle(items: readonly Item<Message>[]): void {
    this.#underWay -= items.length;
    for (const item of items) this.#bytes -= item.bytes.length;
  }

  #remove(item: Item<Message>): void {
    this.#waiting.delete(item);
    const own = this.#byApplication.get(item.application);
    own?.delete(item);
    if (own?.size === 0) this.#byApplication.delete(item.application);
  }
}
