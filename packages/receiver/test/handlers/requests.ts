// Requests for the handler core, without HTTP.
import type { Seen, SeenFact } from '../../src/contract.ts';
import type { Answer } from '../../src/handlers/answer.ts';
import type { HttpRequest } from '../../src/handlers/request.ts';
import { sign } from '../../src/sign.ts';

export const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

export const signedRequest = async (
  body: string,
  { id = 'msg_1', ...extra }: Partial<HttpRequest> & { readonly id?: string } = {},
): Promise<HttpRequest> => {
  const bytes = new TextEncoder().encode(body);
  return {
    method: 'POST',
    url: 'https://example.com/webhooks',
    read: async () => ({ kind: 'bytes', bytes }),
    ...extra,
    headers: { 'content-type': 'application/json', ...(await sign(bytes, SECRET, { id })), ...extra.headers },
  };
};

/** An answer with its body as JSON. */
export const shown = ({ status, headers, body }: Answer) => ({
  status,
  retryAfter: headers['retry-after'],
  ...(JSON.parse(body) as { error?: string; message?: string; status?: string; field?: string | null }),
  http: status,
});

export const recorder = (): { readonly seen: Seen; readonly facts: SeenFact[] } => {
  const facts: SeenFact[] = [];
  return { facts, seen: (fact) => void facts.push(fact) };
};
