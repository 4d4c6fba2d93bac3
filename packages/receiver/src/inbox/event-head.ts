import type { ReceivedEvent } from '../contract.ts';

/** All of an event but its body, as text that any store takes: JSON escapes what UTF-8 cannot hold. */
export const headOf = ({
  id,
  source,
  receivedAtMs,
  contentType,
  headers,
  eventType,
}: ReceivedEvent): string =>
  JSON.stringify({
    id,
    source,
    receivedAtMs,
    contentType,
    headers,
    ...(eventType !== undefined && { eventType }),
  });

/** The event again. @throws SyntaxError */
export const eventOf = (head: string, body: Uint8Array): ReceivedEvent => ({
  ...(JSON.parse(head) as Omit<ReceivedEvent, 'body' | 'json'>),
  body,
  json: () => JSON.parse(new TextDecoder().decode(body)) as unknown,
});
