import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { basicAuth } from './sources/basic.ts';
import { apiKey } from './sources/index.ts';
import { github, hmacSource } from './presets/index.ts';
import { secretsProblem } from './secrets.ts';
import { sign } from './sign.ts';
import { standardWebhooks } from './standard-webhooks.ts';

const good = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

describe('what is wrong with a secret', () => {
  it.each([
    [undefined, 'found undefined (is the environment variable set'],
    [null, 'found null'],
    ['', 'found an empty text'],
    [7, 'found something of type number'],
    [new Uint8Array(), 'found no bytes'],
    ['whsec_', 'found nothing after whsec_'],
    [` ${good}`, 'found a space, a line end or a quotation mark around it'],
    [`${good}\n`, 'found a space, a line end or a quotation mark around it'],
    [`"${good}"`, 'found a space, a line end or a quotation mark around it'],
    ['whsec_not!base64', 'found text that after whsec_ is not base64'],
    ['sk_live_abc', 'found text without such a beginning that is not base64'],
    ['whpk_AAAA', 'found 3 bytes after whpk_'],
    ['whsk_AAAA', 'found 3 bytes after whsk_'],
  ])('%j', (secret, found) => {
    const problem = secretsProblem([secret]);
    expect(problem).toContain(found);
    expect(problem).toMatch(/^The secret cannot be used: expected whsec_ and base64, .*Copy the endpoint’s/);
    expect(secretsProblem([good, secret])).toContain('Secret 2 of 2');
  });

  it('is nothing, or that there is none', () => {
    expect(secretsProblem([good])).toBeNull();
    expect(secretsProblem([])).toContain('the list is empty');
  });

  it('never holds any of the secret', () => {
    const word = fc.stringMatching(/^[A-Za-z0-9!%_-]{8,40}$/);
    const prefix = fc.constantFrom('', 'whsec_', 'whpk_', 'whsk_', ' ', '"');
    fc.assert(
      fc.property(prefix, word, (start, canary) => {
        for (const problem of [
          secretsProblem([start + canary]),
          messageOf(() => standardWebhooks(start + canary)),
          messageOf(() => hmacSource({ name: 'x', header: 'h', secretEncoding: 'hex' }, start + canary)),
        ])
          expect(problem ?? '').not.toContain(canary);
      }),
    );
  });

  it('is said by every source, with what to do', async () => {
    const unset = undefined as unknown as string;
    expect(() => github(unset)).toThrow(/github: expected a secret as text.*environment variable.*Copy it/);
    expect(() => apiKey(unset)).toThrow(/environment variable set.*Pass what the sender/);
    expect(() => basicAuth({ user: 'u', password: unset })).toThrow(/environment variable.*as the password/);
    expect(() => apiKey([])).toThrow('found none');
    expect(() => basicAuth({ user: 'u:v', password: 'p' })).toThrow('found a user name with a colon');
    await expect(sign('x', unset, { id: 'a' })).rejects.toThrow('to sign with');
    const publicKey = `whpk_${Buffer.alloc(32).toString('base64')}`;
    await expect(sign('x', publicKey, { id: 'a' })).rejects.toThrow(
      'found a public key, which verifies only',
    );
  });
});

const messageOf = (make: () => unknown): string | null => {
  try {
    make();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
};
