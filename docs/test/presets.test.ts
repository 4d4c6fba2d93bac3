// docs/receiver/presets.md: its sources are made as they stand there and asked; its table is compared
// with the source.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Refused, Source, Verified } from '@posthorn/receiver';
import { GITHUB, type HmacDescription, signHmac } from '@posthorn/receiver/presets';
import * as presets from '@posthorn/receiver/presets';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { describePage, repository } from './page.ts';

const folder = mkdtempSync(join(tmpdir(), 'posthorn-presets-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What a snippet calls by this name. */
const made = async <T>(
  text: string,
  name: string,
  env: Readonly<Record<string, string>> = {},
): Promise<T> => {
  for (const [key, value] of Object.entries(env)) vi.stubEnv(key, value);
  const file = join(folder, `${crypto.randomUUID()}.mjs`);
  writeFileSync(file, `${text}\nexport default ${name};`);
  const module = (await import(/* @vite-ignore */ file)) as { readonly default: T };
  vi.unstubAllEnvs();
  return module.default;
};

const ask = (
  source: Source,
  headers: Readonly<Record<string, string>>,
  body = '{"event_id":7}',
  peerAddress?: string,
): Promise<Verified | Refused> =>
  source.check({ method: 'POST', url: '/', headers, body: new TextEncoder().encode(body), peerAddress });

describePage('docs/receiver/presets.md', {
  'github([process.env.GITHUB_SECRET': async (text) => {
    const source = await made<Source>(text, 'source', { GITHUB_SECRET: 'new', OLD_GITHUB_SECRET: 'old' });
    expect(await ask(source, await signHmac(GITHUB, 'old', '{}'), '{}')).toMatchObject({
      ok: true,
      secretIndex: 1,
    });
  },

  "name: 'acme'": async (text) => {
    const source = await made<Source>(text, 'source', { ACME_SECRET: 'secret' });
    const described = await made<HmacDescription>(
      text.replace(
        /^const source = hmacSource\(\s*(\{[^]*\}),\s*process.env.ACME_SECRET,\s*\);$/m,
        'const how = $1;',
      ),
      'how',
    );
    const own = { 'x-acme-id': 'a1' };
    const signed = await signHmac(described, 'secret', '{}', { headers: own });
    expect(signed['x-acme-signature']).toMatch(/^v2=[\da-f]{64}$/);
    expect(await ask(source, { ...own, ...signed }, '{}')).toMatchObject({ ok: true, id: 'a1' });
    expect(await ask(source, { ...signed, 'x-acme-id': 'a2' }, '{}')).toMatchObject({
      code: 'signature_mismatch',
    });
  },

  'apiKey(process.env.CRM_KEY': async (text) => {
    const source = await made<Source>(text, 'source', { CRM_KEY: 'key' });
    expect(await ask(source, { 'x-api-key': 'key' })).toMatchObject({ ok: true, id: '7' });
    expect(await ask(source, { 'x-api-key': 'other' })).toMatchObject({ code: 'bad_credentials' });
  },

  "name: 'pubsub'": async (text) => {
    const source = await made<Source>(text, 'source');
    expect(source.name).toBe('pubsub');
    expect(await ask(source, { authorization: 'Bearer x' })).toMatchObject({ code: 'bad_token' });
  },

  'mtls(process.env.SENDER_SHA256': async (text) => {
    const source = await made<Source>(text, 'source', { SENDER_SHA256: 'AB:'.repeat(31) + 'CD' });
    const headers = { 'x-ssl-client-fingerprint': `${'ab'.repeat(31)}cd`, 'x-ssl-client-verify': 'SUCCESS' };
    expect(await ask(source, headers, '', '10.1.2.3')).toMatchObject({ ok: true });
    expect(await ask(source, headers, '', '192.0.2.1')).toMatchObject({ code: 'untrusted_proxy' });
  },

  'allowList(lists': async (text) => {
    type Allow = { readonly check: (request: object) => Promise<object> };
    const { check } = await made<Allow>(
      text.replace(/githubAddresses\(\), posthornAddresses\([^)]*\), /, ''),
      'allow',
    );
    expect(await check({ headers: { 'x-forwarded-for': '6.6.6.6, 192.0.2.9' } })).toMatchObject({ ok: true });
    expect(await check({ headers: { 'x-forwarded-for': '192.0.2.9, 6.6.6.6' } })).toMatchObject({
      ok: false,
    });
  },
});

describe('the table of docs/receiver/presets.md', () => {
  const page = readFileSync(join(repository, 'docs/receiver/presets.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` \|.*\| (\d+) (h|min) \|$/gm)];

  it('has every preset, with its retry window', () => {
    const sources = Object.entries(presets).flatMap(([name, make]) =>
      typeof make === 'function' && !/^sign|hmacSource/.test(name)
        ? [[name, (make as (secret: string) => Source)('whsec_AAAA').retryWindowMs]]
        : [],
    );
    const written = rows.map(([, name, count, unit]) => [
      name,
      Number(count) * (unit === 'h' ? 3_600_000 : 60_000),
    ]);
    expect(Object.fromEntries(written)).toEqual(Object.fromEntries(sources));
  });

  it('has each tolerance, place of the id and place of the type', () => {
    const { GITHUB: github, PADDLE, SHOPIFY, SLACK, STRIPE } = presets;
    for (const { name, signed = '', toleranceSeconds = 300, id, eventType } of [
      github,
      STRIPE,
      SHOPIFY,
      SLACK,
      PADDLE,
    ]) {
      const row = rows.find(([, preset]) => preset === name)?.[0].toLowerCase() ?? '';
      expect(row).toContain(signed.includes('{timestamp}') ? `| ${toleranceSeconds} s |` : '| |');
      for (const place of [id, eventType]) expect(row).toContain(`\`${Object.values(place ?? {}).join()}\``);
    }
  });
});
