/** The payload of a post: says which it is, and all of its bytes follow from that. */
export const payloadOf = (post: number, bytes: number): Buffer => {
  const head = `{"post":${post},"of":${bytes},"fill":"`;
  return Buffer.from(`${head}${'x'.repeat(bytes)}"}`);
};

/** Which post these bytes are the payload of; null when they are not one to the last byte. */
export const postOf = (payload: Uint8Array): number | null => {
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('latin1');
  const found = /^\{"post":(\d+),"of":(\d+),"fill":"(x*)"\}$/.exec(text);
  return found === null || found[3]!.length !== Number(found[2]) ? null : Number(found[1]);
};
