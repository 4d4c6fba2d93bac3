/** Another node whose lease runs, and what it owns. */
export type Peer = {
  readonly node: string;
  /** `host:port`. */
  readonly address: string;
  readonly partitions: readonly number[];
};

/** What peers needs of the store. */
export type PeerStore = {
  /**
   * Says where `node` can be reached (null: nowhere) and returns the others that can. Rejects when the database
   * cannot be reached.
   */
  readonly meet: (node: string, address: string | null) => Promise<readonly Peer[]>;
};
