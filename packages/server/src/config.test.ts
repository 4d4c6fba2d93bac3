import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { configMarkdown } from './cli/flags.ts';
import { checkAlways, checkProduction, readConfig, type Config } from './config.ts';

const dir = mkdtempSync(join(tmpdir(), 'posthorn-config-'));
afterAll(() => rmSync(dir, { recursive: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};

const read = (env: Record<string, string>, flags: Record<string, string | boolean> = {}): Config => {
  const result = readConfig({ env, flags });
  if (result.kind === 'invalid') throw new Error(JSON.stringify(result.issues));
  return result.config;
};
const issues = (env: Record<string, string>, flags: Record<string, string | boolean> = {}) => {
  const result = readConfig({ env, flags });
  return result.kind === 'ok' ? [] : result.issues;
};

describe('readConfig', () => {
  it('takes a flag before the environment, the environment before the file, the file before the default', () => {
    const config = file('a.yaml', 'attemptTimeout: 2\nlease: 20\nlisten: 127.0.0.1:1\n');
    const env = { POSTHORN_CONFIG: config, POSTHORN_ATTEMPT_TIMEOUT: '3', POSTHORN_LISTEN: '127.0.0.1:2' };
    expect(read(env, { listen: '127.0.0.1:3' })).toMatchObject({
      listen: '127.0.0.1:3',
      attemptTimeout: 3,
      lease: 20,
      grace: 20,
    });
  });

  it('tells "set to nothing" from "not set" where that means something', () => {
    expect(read({ POSTHORN_RETRY_SCHEDULE: '' }).retrySchedule).toBe('');
    expect(read({ POSTHORN_LISTEN: '' }).listen).toBe('127.0.0.1:8071');
    expect(read({}).databaseUrl).toBeNull();
  });

  it('reads lists of several values', () => {
    expect(read({ POSTHORN_ALLOW_SUBNETS: '127.0.0.0/8, ::1/128' }).allowSubnets).toEqual([
      '127.0.0.0/8',
      '::1/128',
    ]);
    expect(read({ POSTHORN_CONFIG: file('b.yaml', 'egressIps: [192.0.2.1, 192.0.2.2]') }).egressIps).toEqual([
      '192.0.2.1',
      '192.0.2.2',
    ]);
  });

  it('reads lists of secrets with any characters: as a JSON list, or one a line', () => {
    const secrets = ['a secret, with blanks', ' ["and" brackets] ', 'plain'];
    const json = JSON.stringify(secrets);
    expect(read({ POSTHORN_MAIN_SECRET_OLD: json }).mainSecretsOld).toEqual(secrets);
    expect(read({ POSTHORN_JWT_SECRET_OLD: json }).jwtSecretsOld).toEqual(secrets);
    const lines = file('old', `${secrets.join('\n')}\n`);
    expect(read({ POSTHORN_MAIN_SECRET_OLD_FILE: lines }).mainSecretsOld).toEqual(secrets);
    expect(read({ POSTHORN_MAIN_SECRET_OLD: `${secrets.join('\r\n')}\n` }).mainSecretsOld).toEqual(secrets);
    const one = file('one-old', 'one secret, with blanks\n');
    expect(read({ POSTHORN_MAIN_SECRET_OLD_FILE: one }).mainSecretsOld).toEqual(['one secret, with blanks']);
    const yaml = file(
      'old.yaml',
      `mainSecretsOld:\n${secrets.map((one) => `  - ${JSON.stringify(one)}\n`).join('')}`,
    );
    expect(read({ POSTHORN_CONFIG: yaml }).mainSecretsOld).toEqual(secrets);
    expect(read({ POSTHORN_MAIN_SECRET_OLD: 'one two,three' }).mainSecretsOld).toEqual([
      'one',
      'two',
      'three',
    ]);
    for (const bad of ['[not json', '["a", 1]', '[a b]'])
      expect(issues({ POSTHORN_MAIN_SECRET_OLD: bad })[0]).toMatchObject({
        name: 'POSTHORN_MAIN_SECRET_OLD',
      });
  });

  it('takes a secret from a file, without the newline at its end', () => {
    expect(read({ POSTHORN_JWT_SECRET_FILE: file('jwt', 'shh, secret\n') }).jwtSecret).toBe('shh, secret');
  });

  it.each([
    [{ POSTHORN_ATTEMPT_TIMEOUT: 'soon' }, 'POSTHORN_ATTEMPT_TIMEOUT'],
    [{ POSTHORN_ATTEMPT_TIMEOUT: '61' }, 'POSTHORN_ATTEMPT_TIMEOUT'],
    [{ POSTHORN_TOKEN_RATE: '0' }, 'POSTHORN_TOKEN_RATE'],
    [{ POSTHORN_TOKEN_RATE: '-1' }, 'POSTHORN_TOKEN_RATE'],
    [{ POSTHORN_APPLICATION_RATE: '1.5' }, 'POSTHORN_APPLICATION_RATE'],
    [{ POSTHORN_CONSUMER_RATE: '1e9' }, 'POSTHORN_CONSUMER_RATE'],
    [{ POSTHORN_HTTPS_ONLY: 'maybe' }, 'POSTHORN_HTTPS_ONLY'],
    [{ POSTHORN_SIGNATURE: 'rsa' }, 'POSTHORN_SIGNATURE'],
    [{ POSTHORN_JWT_SECRET_FILE: '/does/not/exist' }, 'POSTHORN_JWT_SECRET_FILE'],
    [{ POSTHORN_JWT_SECRET: 'a', POSTHORN_JWT_SECRET_FILE: 'b' }, 'POSTHORN_JWT_SECRET'],
    [{ POSTHORN_CONFIG: '/does/not/exist' }, 'POSTHORN_CONFIG'],
  ])('refuses %j by the name of the variable', (env, name) => {
    expect(issues(env).map((issue) => issue.name)).toEqual([name]);
  });

  it('refuses a file that is no mapping or has unknown keys', () => {
    expect(issues({ POSTHORN_CONFIG: file('c.yaml', '- a') })).toHaveLength(1);
    expect(issues({ POSTHORN_CONFIG: file('d.yaml', 'lisen: x') })[0]!.problem).toContain('lisen');
  });
});

describe('what start refuses', () => {
  const good = {
    DATABASE_URL: 'postgres://x',
    POSTHORN_JWT_SECRET: 'j'.repeat(32),
    POSTHORN_MAIN_SECRET: 'm'.repeat(32),
  };

  it('nothing, when all is there', () => {
    expect(checkProduction(read(good))).toEqual([]);
  });

  it('missing secrets and a missing database, all at once', () => {
    expect(checkProduction(read({})).map((issue) => issue.name)).toEqual([
      'DATABASE_URL',
      'POSTHORN_JWT_SECRET',
      'POSTHORN_MAIN_SECRET',
    ]);
    expect(checkProduction(read({ ...good, DATABASE_URL: '', POSTHORN_EMBEDDED: 'true' }))).toEqual([]);
  });

  it.each([
    [{ POSTHORN_MAIN_SECRET: 'short' }, 'POSTHORN_MAIN_SECRET'],
    [{ POSTHORN_LEASE: '6', POSTHORN_STATEMENT_TIMEOUT: '4' }, 'POSTHORN_STATEMENT_TIMEOUT'],
    [{ POSTHORN_TLS_CERT: 'cert.pem' }, 'POSTHORN_TLS_CERT'],
    [{ POSTHORN_DATABASE_DISK: '200' }, 'POSTHORN_DATABASE_DISK'],
  ])('%j', (env, name) => {
    expect(checkAlways(read({ ...good, ...env })).map((issue) => issue.name)).toEqual([name]);
  });
});

describe('docs/config.md', () => {
  it('says what settings.ts says (update with: npx vitest run config -u)', async () => {
    await expect(configMarkdown()).toMatchFileSnapshot('../../../docs/config.md');
  });
});
