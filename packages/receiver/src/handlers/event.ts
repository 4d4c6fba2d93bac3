import type { HeadersLike, IncomingRequest, ReceivedEvent, Verified } from '../contract.ts';

export const makeEvent = (
  source: string,
  { headers, body }: IncomingRequest,
  { id, eventType }: Verified,
  receivedAtMs: number,
): ReceivedEvent => {
  const plain = plainHeaders(headers);
  return {
    id,
    source,
    receivedAtMs,
    contentType: plain['content-type'] ?? '',
    headers: plain,
    body,
    json: () => JSON.parse(new TextDecoder().decode(body)) as unknown,
    ...(eventType === undefined ? {} : { eventType }),
  };
};

type Iterable2 = { readonly forEach: (visit: (value: string, name: string) => void) => void };

const plainHeaders = (headers: HeadersLike): Record<string, string> => {
  // Without a prototype: a sender may call a header __proto__.
  const plain = Object.create(null) as Record<string, string>;
  if (typeof headers.get === 'function')
    (headers as unknown as Iterable2).forEach((value, name) => (plain[name.toLowerCase()] = value));
  else
    for (const [name, value] of Object.entries(headers as Record<string, string | string[] | undefined>))
      if (value !== undefined) plain[name.toLowerCase()] = [value].flat().join(', ');
  return plain;
};

/** The request's W3C trace context, if it has a well-formed one (version 00 and its successors). */
export const traceparentOf = (header: string | null): { readonly traceparent?: string } =>
  header !== null && /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/.test(header)
    ? { traceparent: header }
    : {};
