/** One thing wrong with a request, where: the shape that the Svix API's 422 answers have. */
export type Invalidity = {
  readonly loc: readonly string[];
  readonly msg: string;
  readonly type: string;
};

/** A request that is turned down: the documented status, a stable code, and a sentence that helps. */
export type Refusal =
  | {
      readonly kind: 'refused';
      readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 500 | 501 | 503;
      readonly code: string;
      readonly detail: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'invalid'; readonly items: readonly Invalidity[] };

/** What an operation answers. `rendered` is JSON text that is already bytes. */
export type Answer =
  | { readonly kind: 'json'; readonly status: number; readonly value: unknown }
  | { readonly kind: 'rendered'; readonly status: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'empty'; readonly status: 204 }
  | Refusal;

export const json = (status: number, value: unknown): Answer => ({ kind: 'json', status, value });
export const noContent: Answer = { kind: 'empty', status: 204 };

type RefusedStatus = Extract<Refusal, { kind: 'refused' }>['status'];

export const refused = (status: RefusedStatus, code: string, detail: string): Refusal => ({
  kind: 'refused',
  status,
  code,
  detail,
});

export const badRequest = (detail: string, code = 'generic_error'): Refusal => refused(400, code, detail);
export const notFound = (detail = 'Entity not found'): Refusal => refused(404, 'not_found', detail);
export const conflict = (detail = 'A conflict has occurred', code = 'conflict'): Refusal =>
  refused(409, code, detail);
export const forbidden: Refusal = refused(
  403,
  'insufficient access',
  'Insufficient access for the given operation.',
);
export const payloadTooLarge: Refusal = refused(413, 'payload_too_large', 'Request payload is too large.');

/** A 422 with one entry. */
export const invalid = (loc: readonly string[], msg: string, type: string = 'value_error'): Refusal => ({
  kind: 'invalid',
  items: [{ loc, msg, type }],
});

/** Sent with every answer; the peers' API lets any page call it with a token. */
export const corsHeaders = { 'access-control-allow-origin': '*' } as const;

const encoder = new TextEncoder();

/**
 * The body of a refusal. `problem` is for paths of our own (RFC 9457); it keeps `code`, so that a
 * client reads both kinds the same way.
 */
export const refusalBody = (refusal: Refusal, problem: boolean): unknown => {
  if (refusal.kind === 'invalid') {
    if (!problem) return { detail: refusal.items };
    const [first] = refusal.items;
    return {
      type: 'about:blank',
      title: 'The request is not valid',
      status: 422,
      code: 'validation',
      detail: first === undefined ? 'The request is not valid.' : first.msg,
      errors: refusal.items,
    };
  }
  const { status, code, detail } = refusal;
  return problem
    ? { type: 'about:blank', title: code.replaceAll('_', ' '), status, code, detail }
    : { code, detail };
};

export const refusalStatus = (refusal: Refusal): number =>
  refusal.kind === 'invalid' ? 422 : refusal.status;

const typed = (type: string): Record<string, string> => ({ 'content-type': type, ...corsHeaders });

/** Turns an answer into what goes over the wire. */
export const toResponse = (answer: Answer, problem = false): Response => {
  switch (answer.kind) {
    case 'json':
      return new Response(encoder.encode(JSON.stringify(answer.value)), {
        status: answer.status,
        headers: typed('application/json'),
      });
    case 'rendered':
      return new Response(answer.bytes, {
        status: answer.status,
        headers: typed('application/json'),
      });
    case 'empty':
      return new Response(null, { status: answer.status, headers: corsHeaders });
    case 'refused':
    case 'invalid':
      return new Response(JSON.stringify(refusalBody(answer, problem)), {
        status: refusalStatus(answer),
        headers: {
          ...typed(problem ? 'application/problem+json' : 'application/json'),
          ...(answer.kind === 'refused' ? answer.headers : {}),
        },
      });
    default:
      return answer satisfies never;
  }
};
