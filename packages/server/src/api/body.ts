import { invalid, payloadTooLarge } from './answers.ts';
import type { Refusal } from './answers.ts';
import { readJson } from './strict-json.ts';

/** How large a body may be and how deep its JSON. */
export type BodyLimits = { readonly bytes: number; readonly depth: number };

/** As in the reference; deeper than anything the API takes. */
export const ordinaryBody: BodyLimits = { bytes: 2 * 1024 * 1024, depth: 64 };
/** For documents of everything that an organisation has: larger and deeper than any export. */
export const largeBody: BodyLimits = { bytes: 16 * 1024 * 1024, depth: 96 };

export type BodyReading =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'refusal'; readonly refusal: Refusal };

const tooLarge: BodyReading = { kind: 'refusal', refusal: payloadTooLarge };

const DISCARDED_BYTES = 16 * 1024 * 1024;

/**
 * Lets the rest of a body go by, so that the connection is not closed under a client that is still
 * sending and has not looked for an answer yet; beyond the bound it is closed. Never rejects.
 */
const discard = async (reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> => {
  try {
    let left = DISCARDED_BYTES;
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      left -= read.value.length;
      if (left < 0) return await reader.cancel();
    }
  } catch {
    // The client has gone.
  }
};

/** Reads a request's body, never more than `most` bytes. */
export const readBody = async (request: Request, most: number): Promise<BodyReading> => {
  if (Number(request.headers.get('content-length') ?? 0) > most) return tooLarge;
  if (request.body === null) return { kind: 'bytes', bytes: new Uint8Array() };
  const chunks: Uint8Array[] = [];
  let total = 0;
  const reader = request.body.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    total += read.value.length;
    if (total > most) {
      void discard(reader);
      return tooLarge;
    }
    chunks.push(read.value);
  }
  return { kind: 'bytes', bytes: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks) };
};

export type JsonBody =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly refusal: Refusal };

/** The JSON of a body; what cannot be read is a 422 as in the reference. */
export const jsonBody = (bytes: Uint8Array, depth: number): JsonBody => {
  const reading = readJson(bytes, depth);
  if (reading.kind === 'value') return reading;
  const loc = ['body', ...reading.path];
  return { kind: 'refusal', refusal: invalid(loc, reading.why, 'value_error.jsondecode') };
};
