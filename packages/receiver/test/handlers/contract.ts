import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { sign } from '../../src/sign.ts';
import { MOST_BYTES, SECRET } from './app.ts';

export type Sent = {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** A list is sent as several headers of one name. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Buffer;
};
export type Got = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

/** Sends one request through the adapter. */
export type Send = (request: Sent) => Promise<Got>;

type Extra = {
  /** A host that does not let a body of more than the limit through answers for itself. */
  readonly tooLarge?: false;
  /** A host that joins headers of one name by a bare comma, which an id may hold. */
  readonly joinsHeaders?: true;
};

const OTHER_SECRET = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';

const signed = async (
  body: Uint8Array | string,
  options: { readonly secret?: string; readonly nowMs?: number; readonly type?: string } = {},
): Promise<Sent> => {
  const { secret = SECRET, type = 'application/json', nowMs = Date.now() } = options;
  const bytes = Buffer.from(body);
  return {
    method: 'POST',
    path: '/webhooks/main',
    headers: { 'content-type': type, ...(await sign(bytes, secret, { id: `msg_${randomUUID()}`, nowMs })) },
    body: bytes,
  };
};

const expectHandled = ({ status, body }: Got, sent: Sent): void => {
  expect({ status, ...(JSON.parse(body) as object) }).toEqual({
    status: 200,
    id: sent.headers['webhook-id'],
    source: 'main',
    contentType: sent.headers['content-type'],
    length: sent.body.length,
    sha256: createHash('sha256').update(sent.body).digest('hex'),
  });
};

const expectRefused = ({ status, headers, body }: Got, code: string, wanted: number): void => {
  expect(headers['content-type']).toBe('application/json; charset=utf-8');
  const error = JSON.parse(body) as Record<string, unknown>;
  expect({ status, ...error }).toEqual({
    status: wanted,
    error: code,
    message: expect.stringMatching(/.{10}/),
    field: error['field'],
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
  });
};

// Spaces, 1.0, an escaped NUL and letters beyond ASCII do not survive being parsed and printed again.
const JSON_BODY = '{ "städte": ["Zürich"], "a": 1.0, "n": "\\u0000", "e": "€" }\n';

/** The requests that every adapter must take alike. */
export const contract = (send: Send, { tooLarge, joinsHeaders }: Extra = {}): void => {
  it('valid: hands over the bytes as they were sent', async () => {
    const request = await signed(JSON_BODY);
    expectHandled(await send(request), request);
  });

  it('duplicate: answers 200 and does not handle it again', async () => {
    const request = await signed(JSON_BODY);
    expectHandled(await send(request), request);
    const again = await send(request);
    expect(again.status).toBe(200);
    expect(JSON.parse(again.body)).toEqual({ status: 'duplicate', id: request.headers['webhook-id'] });
  });

  it('wrong: refuses the signature of another body', async () => {
    const request = await signed(JSON_BODY);
    const body = Buffer.from(JSON_BODY.replace('1.0', '1.00'));
    expectRefused(await send({ ...request, body }), 'signature_mismatch', 401);
  });

  it('missing: names the header that is not there', async () => {
    const { 'webhook-signature': _, ...headers } = (await signed(JSON_BODY)).headers;
    const got = await send({ ...(await signed(JSON_BODY)), headers });
    expectRefused(got, 'missing_header', 400);
    expect(JSON.parse(got.body)).toMatchObject({ field: 'webhook-signature' });
  });

  it('old: refuses what was signed too long ago', async () => {
    const request = await signed(JSON_BODY, { nowMs: Date.now() - 400_000 });
    expectRefused(await send(request), 'timestamp_too_old', 401);
  });

  it('two signatures: takes the one that fits', async () => {
    const request = await signed(JSON_BODY);
    const id = String(request.headers['webhook-id']);
    const at = Number(request.headers['webhook-timestamp']) * 1_000;
    const other = await sign(request.body, OTHER_SECRET, { id, nowMs: at });
    const headers = {
      ...request.headers,
      'webhook-signature': [other['webhook-signature'], request.headers['webhook-signature']].join(' '),
    };
    expectHandled(await send({ ...request, headers }), request);
  });

  it('empty: takes a body of no bytes', async () => {
    const request = await signed('');
    expectHandled(await send(request), request);
  });

  it('1 MB: takes as much as the limit', async () => {
    const request = await signed(randomBytes(MOST_BYTES), { type: 'application/octet-stream' });
    expectHandled(await send(request), request);
  });

  it.skipIf(tooLarge === false)('1 MB and a byte: refuses more than the limit', async () => {
    const request = await signed(Buffer.alloc(MOST_BYTES + 1, 97), { type: 'text/plain' });
    expectRefused(await send(request), 'body_too_large', 413);
  });

  it('binary: keeps bytes that are no text', async () => {
    const request = await signed(
      Uint8Array.from({ length: 256 }, (_, index) => index),
      { type: 'application/octet-stream' },
    );
    expectHandled(await send(request), request);
  });

  it.each([
    ['application/xml', '<a b="1">\r\n &amp;<ö/></a>'],
    ['text/plain; charset=utf-8', ' \r\n\t ö '],
    ['application/x-www-form-urlencoded', 'b=2&a=%20+&a=ö&=&'],
    ['application/cloudevents+json', JSON_BODY],
  ])('keeps the bytes of %s', async (type, body) => {
    const request = await signed(body, { type });
    expectHandled(await send(request), request);
  });

  it('duplicate header: refuses an id that came twice', async () => {
    const request = await signed(JSON_BODY);
    const id = String(request.headers['webhook-id']);
    const headers = { ...request.headers, 'webhook-id': [id, `${id}x`] };
    const got = await send({ ...request, headers });
    if (joinsHeaders) expectRefused(got, 'signature_mismatch', 401);
    else expectRefused(got, 'duplicate_header', 400);
  });

  it('query string: does not mind one', async () => {
    const request = { ...(await signed(JSON_BODY)), path: '/webhooks/main?a=1&b=%20x&c=/unknown' };
    expectHandled(await send(request), request);
  });

  it('HEAD: 405 with Allow and no body', async () => {
    const request = { method: 'HEAD', path: '/webhooks/main', headers: {}, body: Buffer.alloc(0) };
    const { status, headers, body } = await send(request);
    expect({ status, allow: headers['allow'], body }).toEqual({ status: 405, allow: 'POST', body: '' });
  });

  it('GET: 405 with Allow', async () => {
    const got = await send({ method: 'GET', path: '/webhooks/main', headers: {}, body: Buffer.alloc(0) });
    expectRefused(got, 'method_not_allowed', 405);
    expect(got.headers['allow']).toBe('POST');
  });

  it('unknown source: 404', async () => {
    const request = { ...(await signed(JSON_BODY)), path: '/webhooks/toString' };
    expectRefused(await send(request), 'unknown_source', 404);
  });
};
