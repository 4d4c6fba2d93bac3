/** Ownership is by partition: every endpoint hashes to one of this many. The number is stored. */
export const PARTITION_COUNT = 256;

/** The partition of an endpoint: FNV-1a (32 bit) over the id's characters, modulo the count. */
export const partitionOf = (endpointId: string, count: number = PARTITION_COUNT): number => {
  let hash = 0x811c9dc5;
  for (let i = 0; i < endpointId.length; i++) {
    hash ^= endpointId.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return (hash >>> 0) % count;
};
