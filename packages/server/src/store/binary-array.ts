/**
 * PostgreSQL's binary array format, made by hand: pg sends a Buffer parameter as it is, so 500 ids
 * cost one copy instead of 500 quotings (array_recv in utils/adt/arrayfuncs.c: dimensions, has-null
 * flag, element oid, length, lower bound; then each element's length and bytes, -1 for null).
 *
 * Cast the parameter in SQL: `$1::text[]`, `$2::int4[]`, … All integers are big-endian.
 */

const HEADER_BYTES = 20;
const POSTGRES_EPOCH_MS = 946_684_800_000;

const oids = {
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  timestamptz: 1184,
  uuid: 2950,
};

const header = (buffer: Buffer, oid: number, count: number, hasNull: boolean): void => {
  buffer.writeInt32BE(1, 0);
  buffer.writeInt32BE(hasNull ? 1 : 0, 4);
  buffer.writeInt32BE(oid, 8);
  buffer.writeInt32BE(count, 12);
  buffer.writeInt32BE(1, 16);
};

const fixed = <Value>(
  oid: number,
  size: number,
  write: (buffer: Buffer, value: Value, at: number) => void,
) => {
  return (values: readonly (Value | null)[]): Buffer => {
    const buffer = Buffer.allocUnsafe(HEADER_BYTES + values.length * (4 + size));
    let at = HEADER_BYTES;
    let hasNull = false;
    for (const value of values) {
      if (value === null) {
        hasNull = true;
        at = buffer.writeInt32BE(-1, at);
      } else {
        at = buffer.writeInt32BE(size, at);
        write(buffer, value, at);
        at += size;
      }
    }
    header(buffer, oid, values.length, hasNull);
    return buffer.subarray(0, at);
  };
};

const writeInt64 = (buffer: Buffer, value: number, at: number): void => {
  if (!Number.isSafeInteger(value)) throw new RangeError(`not a safe integer: ${value}`);
  const high = Math.floor(value / 0x1_0000_0000);
  buffer.writeInt32BE(high, at);
  buffer.writeUInt32BE(value - high * 0x1_0000_0000, at + 4);
};

const writeTimestamp = (buffer: Buffer, ms: number, at: number): void => {
  if (ms === Infinity) {
    buffer.writeUInt32BE(0x7fffffff, at);
    buffer.writeUInt32BE(0xffffffff, at + 4);
  } else if (ms === -Infinity) {
    buffer.writeUInt32BE(0x80000000, at);
    buffer.writeUInt32BE(0, at + 4);
  } else {
    const micros = Math.round((ms - POSTGRES_EPOCH_MS) * 1000);
    if (Number.isSafeInteger(micros)) writeInt64(buffer, micros, at);
    // Before 1715 and after 2285 a number has no microseconds left; what was posted has none to lose.
    else buffer.writeBigInt64BE(BigInt(Math.round(ms - POSTGRES_EPOCH_MS)) * 1000n, at);
  }
};

const writeUuid = (buffer: Buffer, uuid: string, at: number): void => {
  if (buffer.write(uuid.replaceAll('-', ''), at, 16, 'hex') !== 16)
    throw new RangeError(`not a uuid: ${uuid}`);
};

export const int2Array = fixed<number>(oids.int2, 2, (buffer, value, at) => buffer.writeInt16BE(value, at));
export const int4Array = fixed<number>(oids.int4, 4, (buffer, value, at) => buffer.writeInt32BE(value, at));
/** int8 from safe integers. */
export const int8Array = fixed<number>(oids.int8, 8, writeInt64);
/** timestamptz from Unix milliseconds (fractions to the microsecond; the infinities are allowed). */
export const timestamptzArray = fixed<number>(oids.timestamptz, 8, writeTimestamp);
/** uuid from its text with hyphens. */
export const uuidArray = fixed<string>(oids.uuid, 16, writeUuid);

/**
 * text; also for json, jsonb and array columns, handed as text and cast per row. Lone surrogates
 * become U+FFFD; a NUL character makes the database reject the statement.
 */
export const textArray = (values: readonly (string | null)[]): Buffer => {
  let size = HEADER_BYTES;
  for (const value of values) size += value === null ? 4 : 4 + Buffer.byteLength(value);
  const buffer = Buffer.allocUnsafe(size);
  let at = HEADER_BYTES;
  let hasNull = false;
  for (const value of values) {
    if (value === null) {
      hasNull = true;
      at = buffer.writeInt32BE(-1, at);
    } else {
      const bytes = buffer.write(value, at + 4);
      buffer.writeInt32BE(bytes, at);
      at += 4 + bytes;
    }
  }
  header(buffer, oids.text, values.length, hasNull);
  return buffer;
};

export const byteaArray = (values: readonly (Uint8Array | null)[]): Buffer => {
  let size = HEADER_BYTES;
  for (const value of values) size += value === null ? 4 : 4 + value.length;
  const buffer = Buffer.allocUnsafe(size);
  let at = HEADER_BYTES;
  let hasNull = false;
  for (const value of values) {
    if (value === null) {
      hasNull = true;
      at = buffer.writeInt32BE(-1, at);
    } else {
      at = buffer.writeInt32BE(value.length, at);
      buffer.set(value, at);
      at += value.length;
    }
  }
  header(buffer, oids.bytea, values.length, hasNull);
  return buffer;
};

const needsQuotes = /[{}",\\\s]|^$|^null$/i;

/** A text[] value as PostgreSQL writes it, for one element of a {@link textArray} that is cast to text[] per row. */
export const arrayLiteral = (values: readonly string[] | null): string | null => {
  if (values === null) return null;
  const parts = values.map((value) =>
    needsQuotes.test(value) ? `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"` : value,
  );
  return `{${parts.join(',')}}`;
};
