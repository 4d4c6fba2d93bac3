import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { judge } from './audit.ts';
import { repository } from './lock-file.ts';

const ID = 'GHSA-aaaa-bbbb-cccc';
const finding = (via: unknown) =>
  JSON.stringify({ auditReportVersion: 2, vulnerabilities: { pino: { via: [via] } } });
const advisory = { url: `https://github.com/advisories/${ID}`, title: 'Planted', severity: 'high' };

it('asks for an explanation of each advisory, and to take out those that are history', () => {
  expect(judge(finding(advisory), 'Nothing.')).toEqual({
    kind: 'judged',
    unexplained: [`pino: Planted (high), ${ID}`],
    explained: [],
    outlived: [],
  });
  expect(judge(finding(advisory), `${ID}: only where nobody goes.`)).toMatchObject({
    unexplained: [],
    explained: [`pino: Planted (high), ${ID}`],
  });
  // What is affected by way of another is found there.
  expect(judge(finding('sonic-boom'), '')).toMatchObject({ unexplained: [], explained: [] });
  expect(judge(finding('sonic-boom'), ID)).toMatchObject({ outlived: [ID] });
});

it('knows nothing where npm could not ask', () => {
  for (const output of ['', 'npm error', '{"message":"request failed","error":{"code":"ENOTFOUND"}}'])
    expect(judge(output, '')).toEqual({ kind: 'not asked' });
});

const run = (registry: string): Promise<{ code: number; out: string; err: string }> =>
  new Promise((resolve) => {
    const env = { ...process.env, npm_config_registry: registry };
    execFile(process.execPath, ['tools/audit.ts'], { cwd: repository, env }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });

it('fails on what npm finds, and passes with a line where there is no registry', async () => {
  const registry = createServer((request, response) => {
    request.resume();
    const isAsked = request.url!.endsWith('/advisories/bulk');
    const range = { vulnerable_versions: '<99', cwe: [], cvss: { score: 0, vectorString: null } };
    response
      .writeHead(isAsked ? 200 : 404, { 'content-type': 'application/json' })
      .end(JSON.stringify(isAsked ? { pino: [{ id: 1, ...advisory, ...range }] } : {}));
  });
  registry.listen(0, '127.0.0.1');
  await once(registry, 'listening');
  const found = await run(`http://127.0.0.1:${(registry.address() as AddressInfo).port}/`);
  registry.close();
  expect(found).toMatchObject({ code: 1, err: expect.stringContaining(`pino: Planted (high), ${ID}`) });
  expect(await run('http://127.0.0.1:1/')).toEqual({
    code: 0,
    err: '',
    out: 'npm audit: the registry could not be asked; nothing is known of new advisories\n',
  });
});
