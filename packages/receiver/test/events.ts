import type { ReceivedEvent } from '../src/contract.ts';

export const eventOf = (id: string, more: Partial<ReceivedEvent> = {}): ReceivedEvent => {
  const body = more.body ?? new TextEncoder().encode(JSON.stringify({ id }));
  return {
    id,
    source: 'test',
    receivedAtMs: Date.now(),
    contentType: 'application/json',
    headers: { 'webhook-id': id },
    json: () => JSON.parse(new TextDecoder().decode(body)) as unknown,
    ...more,
    body,
  };
};

/** A promise and what resolves it. */
export const gate = (): { readonly passed: Promise<void>; readonly open: () => void } => {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
};
