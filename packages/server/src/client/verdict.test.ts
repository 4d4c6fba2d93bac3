import { describe, expect, it } from 'vitest';
import { isWorthRetrying, waitBefore } from './http.ts';
import type { Reply } from './http.ts';
import { judge } from './verdict.ts';

const answer = (status: number, body: unknown = undefined): Reply => ({
  kind: 'answer',
  status,
  body,
  retryAfterMs: null,
});
const item = (status: number) =>
  status === 202 ? { status, message: { id: 'msg_1' } } : { status, error: { code: 'x' } };

describe('an answer to a batch', () => {
  it.each<[string, Reply, number, string]>([
    ['all accepted', answer(202, { data: [item(202), item(202)] }), 2, 'settled accepted accepted'],
    ['one refused', answer(202, { data: [item(202), item(422)] }), 2, 'settled accepted refused'],
    ['one not now', answer(202, { data: [item(202), item(503)] }), 2, 'again'],
    ['too few', answer(202, { data: [item(202)] }), 2, 'again'],
    ['no JSON', answer(202), 1, 'again'],
    ['no answer', { kind: 'unreachable', cause: new Error('x') }, 1, 'again'],
    ['overload', answer(503), 1, 'again'],
    ['too often', answer(429), 1, 'again'],
    ['a proxy without a server', answer(502), 1, 'again'],
    ['a token that is not good', answer(401), 1, 'again'],
    ['a token for something else', answer(403), 1, 'again'],
    ['no such application', answer(404, { code: 'not_found' }), 2, 'settled refused refused'],
    ['all known already', answer(409), 1, 'settled refused'],
    ['not implemented', answer(501), 1, 'settled refused'],
    ['too large', answer(413), 2, 'split'],
    ['one that is too large', answer(413), 1, 'settled refused'],
    ['refused as a whole, for one of them', answer(422), 2, 'split'],
    ['refused for itself', answer(422), 1, 'settled refused'],
  ])('%s', (_what, reply, count, wanted) => {
    const verdict = judge(reply, count);
    const outcomes = verdict.kind === 'settled' ? verdict.outcomes.map(({ kind }) => kind) : [];
    expect([verdict.kind, ...outcomes].join(' ')).toBe(wanted);
  });
});

describe('waiting', () => {
  it('doubles from 50 to 100 ms up to half a minute, and keeps to what the server asks', () => {
    expect([waitBefore(1, null, 0), waitBefore(1, null, 1)]).toEqual([50, 100]);
    expect([waitBefore(4, null, 0), waitBefore(4, null, 1)]).toEqual([400, 800]);
    expect(waitBefore(1000, null, 1)).toBe(30_000);
    expect(waitBefore(1, 2_000, 0)).toBe(2_000);
    expect(waitBefore(1, 86_400_000, 0)).toBe(30_000);
  });

  it('is for what may be answered otherwise later', () => {
    const statuses = [200, 400, 404, 408, 409, 422, 425, 429, 500, 501, 502, 503, 504];
    expect(statuses.filter(isWorthRetrying)).toEqual([408, 425, 429, 500, 502, 503, 504]);
  });
});
