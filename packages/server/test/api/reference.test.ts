import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { languages } from '../../src/api/verify-samples.ts';
import { startBrowser } from '../browser.ts';
import { startTestServer } from '../journey/harness.ts';
import type { TestServer } from '../journey/harness.ts';
import { operationsOf, readDocument, webhooksOf } from './document.ts';
import type { Document } from './document.ts';

const WIDTH = 'document.documentElement.scrollWidth';

describe('the reference page', () => {
  let server: TestServer;
  let browser: Browser;
  let document: Document;
  beforeAll(async () => {
    server = await startTestServer();
    document = await readDocument((path) => server.call('GET', path));
    browser = await startBrowser();
  }, 240_000);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  it('shows every operation and event in a browser, and asks nobody else for anything', async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    const asked: string[] = [];
    const said: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(String(error)));
    const answer = await page.goto(server.url, { waitUntil: 'networkidle' });
    expect(answer?.status()).toBe(200);
    expect(answer?.headers()['content-security-policy']).toContain("default-src 'none'");
    const shown: string[] = await page.$$eval('section.operation', (sections) =>
      sections.filter((section) => section.getBoundingClientRect().height > 0).map(({ id }) => id),
    );
    const wanted = [...operationsOf(document), ...webhooksOf(document)].map(({ operationId }) => operationId);
    expect(shown.toSorted()).toEqual(wanted.toSorted());
    expect(new Set(asked.map((url) => new URL(url).origin))).toEqual(new Set([server.url]));
    expect(said).toEqual([]);
    // Its style counts: the policy has its hash.
    expect(await page.evaluate("getComputedStyle(document.querySelector('nav')).position")).toBe('sticky');
    // It leads where it says.
    await page.click('nav a[href="#v1.message.create"]');
    expect(await page.locator('section[id="v1.message.create"]').textContent()).toContain('curl -X POST');
    expect(await page.evaluate<number>(WIDTH)).toBeLessThanOrEqual(1280);
    await page.setViewportSize({ width: 390, height: 800 });
    expect(await page.evaluate<number>(WIDTH)).toBeLessThanOrEqual(390);
    await page.close();
  });

  it('shows how to verify, in the very programs of docs/verify', async () => {
    const page = await browser.newPage();
    await page.goto(`${server.url}/docs#verify`);
    const programs: (string | null)[] = await page.$$eval('#verify ~ details pre', (all) =>
      all.map(({ textContent }) => textContent),
    );
    const files = languages.flatMap(({ byHand, withLibrary }) => [byHand, withLibrary]);
    expect(files.length).toBe(16);
    expect(programs).toEqual(
      files.map((path) => readFileSync(new URL(`../../../../docs/verify/${path}`, import.meta.url), 'utf8')),
    );
    await page.close();
  });

  it('has those programs in the package', async () => {
    const folder = fileURLToPath(new URL('../../', import.meta.url));
    const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json'], { cwd: folder });
    const [{ files }] = JSON.parse(stdout) as [{ files: readonly { readonly path: string }[] }];
    const packed = files.flatMap(({ path }) => (path.startsWith('verify/') ? [path.slice(7)] : []));
    const wanted = languages.flatMap(({ byHand, withLibrary }) => [byHand, withLibrary]);
    expect(packed.toSorted()).toEqual(wanted.toSorted());
  });

  it('escapes what it shows', async () => {
    const text = await (await fetch(`${server.url}/docs`)).text();
    expect(text).not.toMatch(/<script|\son\w+=|javascript:/i);
  });
});
