import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  DamagedSecrets,
  devSecretsPath,
  loadDevSecrets,
  readDevSecrets,
  type DevSecrets,
} from './dev-secrets.ts';
import { signToken } from './sign-token.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'posthorn-secrets-'));
});
afterEach(() => rm(directory, { recursive: true }));

const secrets = (name: string): DevSecrets => ({
  jwtSecret: name,
  mainSecret: 'm',
  orgId: 'org_1',
  token: 't',
});

describe('the secrets of development', () => {
  it('are made once and kept, for their owner only', async () => {
    expect(await readDevSecrets(directory)).toBeNull();
    expect(await loadDevSecrets(directory, 'a', () => secrets('first'))).toEqual(secrets('first'));
    expect(await loadDevSecrets(directory, 'b', () => secrets('second'))).toEqual(secrets('first'));
    expect((await stat(devSecretsPath(directory))).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(['dev.json']);
  });

  it('are the same for all who start at once', async () => {
    const all = await Promise.all(
      ['a', 'b', 'c', 'd'].map((name) => loadDevSecrets(directory, name, () => secrets(name))),
    );
    expect(new Set(all.map(({ jwtSecret }) => jwtSecret)).size).toBe(1);
    expect(await readDevSecrets(directory)).toEqual(all[0]);
    expect(await readdir(directory)).toEqual(['dev.json']);
  });

  it.each([
    '',
    '{',
    'null',
    '[]',
    '{"jwtSecret":"a"}',
    '{"jwtSecret":1,"mainSecret":"","orgId":"","token":""}',
  ])('are not replaced when the file holds %j', async (text) => {
    await writeFile(devSecretsPath(directory), text);
    await expect(loadDevSecrets(directory, 'a', () => secrets('new'))).rejects.toThrow(DamagedSecrets);
    await expect(readDevSecrets(directory)).rejects.toThrow(devSecretsPath(directory));
  });
});

describe('shortToken', () => {
  it('is a token that others can verify, under 132 columns', async () => {
    const token = signToken('a secret', { sub: 'org_23rb8YdGqMT0qIzpgGwdXfHirMu' });
    const { payload, protectedHeader } = await jwtVerify(token, Buffer.from('a secret'));
    expect({ payload, protectedHeader }).toEqual({
      payload: { sub: 'org_23rb8YdGqMT0qIzpgGwdXfHirMu' },
      protectedHeader: { alg: 'HS256' },
    });
    expect(token.length).toBeLessThan(124);
  });
});
