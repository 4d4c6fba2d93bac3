import { checkAlways, checkProduction, readConfig, type Config, type ConfigIssue } from '../config.ts';
import { CONNECTION_OPTIONS, findServer } from './connection.ts';
import {
  checkCertificates,
  checkConfiguration,
  checkDatabase,
  checkGuard,
  ok,
  skipped,
  type DoctorTools,
  type Finding,
  type Found,
} from './doctor-checks.ts';
import { checkReach, checkServer } from './doctor-server.ts';
import { checkTlsFiles } from './tls.ts';
import { text, type Tool, type ToolInput } from './tool.ts';

export const doctorTool = (tools: DoctorTools): Tool => ({
  usage: 'doctor',
  summary:
    'Look at the running server and at this shell’s settings: database, clock, reachability, certificate, address guard; say what to do.',
  options: [
    ...CONNECTION_OPTIONS,
    ['--config <file>', 'YAML file with settings by name. [POSTHORN_CONFIG]'],
    ['--endpoint-url <url>', 'Also whether this may be an endpoint’s URL.'],
  ],
  run: async (input) => {
    const { server, findings } = await examine(input, tools);
    const isIll = findings.some(({ state }) => state === 'failed');
    input.print.result({ ok: !isIll, server, findings }, () => report(input, server, findings));
    return isIll ? 1 : 0;
  },
});

type Server = { readonly url: string; readonly by: string };

const report = ({ print }: ToolInput, { url, by }: Server, findings: readonly Finding[]): string => {
  const colours = { ok: 'green', warning: 'yellow', failed: 'red', skipped: 'dim' } as const;
  const heads = {
    machine: 'this machine',
    server: `the server ${url} (${by})`,
    shell: 'posthorn start with the settings of this shell',
  } as const;
  return (['machine', 'server', 'shell'] as const)
    .map((whose) => {
      const lines = findings
        .filter(({ of }) => of === whose)
        .map(
          ({ check, state, found, remedy }) =>
            `  ${print.paint(colours[state], state.padEnd(8))} ${check.padEnd(14)} ${found}${remedy === null ? '' : `\n${' '.repeat(26)}→ ${remedy}`}`,
        );
      return [print.paint('bold', heads[whose]), ...lines].join('\n');
    })
    .join('\n\n');
};

const examine = async (
  input: ToolInput,
  tools: DoctorTools,
): Promise<{ readonly server: Server; readonly findings: readonly Finding[] }> => {
  const { clock } = input;
  const server = await findServer(input);
  const told = await checkServer(input, tools);
  const urls = [...new Set([server.url, ...withoutSlash(told.publicUrl)])];
  const reach: Found[] = [];
  for (const url of urls) reach.push(...(await checkReach(url, clock.nowMs)));
  const machine = ok(
    'runtime',
    `Node ${process.versions.node} on ${process.platform} ${process.arch}, Posthorn ${input.version}`,
  );
  const of = (whose: Finding['of'], found: readonly Found[]): Finding[] =>
    found.map((one) => ({ of: whose, ...one }));
  return {
    server,
    findings: [
      ...of('machine', [machine]),
      ...of('server', [...reach, ...told.findings, ...(await checkCertificates(null, urls, clock.nowMs()))]),
      ...of(
        'shell',
        await checkShell(
          input,
          tools,
          reach.some(({ state }) => state !== 'failed'),
        ),
      ),
    ],
  };
};

/** @param isServed A server answers: then a shell without settings is nothing to complain of. */
const checkShell = async (
  input: ToolInput,
  tools: DoctorTools,
  isServed: boolean,
): Promise<readonly Found[]> => {
  const { flags, env, clock } = input;
  const read = readConfig({ flags: { config: flags['config'] }, env });
  if (read.kind !== 'ok') return checkConfiguration(read.issues);
  const { config, origins } = read;
  // Where a development server keeps its data is no setting of a server to come.
  const isEmpty = Object.entries(origins).every(
    ([name, origin]) => origin === 'default' || name === 'dataDir',
  );
  if (isEmpty && isServed) return [skipped('configuration', 'there are none, and nothing to judge')];
  const unreadable = tools.checkRules(config);
  const urls = withoutSlash(config.publicUrl);
  const reach = await Promise.all(urls.map((url) => checkReach(url, clock.nowMs)));
  return [
    ...checkConfiguration([...issuesOf(config), ...unreadable]),
    ...(await checkDatabase(config, tools, clock.nowMs)),
    ...reach.flat(),
    ...(await checkCertificates(config.tlsCert, urls, clock.nowMs())),
    ...(unreadable.length === 0 ? checkGuard(config, tools, text(flags, 'endpointUrl')) : []),
  ];
};

const withoutSlash = (url: string | null): readonly string[] =>
  url === null ? [] : [url.replace(/\/+$/, '')];

/** Where production's settings are half there, production's rules are what was meant. */
const issuesOf = (config: Config): readonly ConfigIssue[] => {
  const isProduction = config.databaseUrl !== null || config.jwtSecret !== null || config.mainSecret !== null;
  return [...(isProduction ? checkProduction(config) : checkAlways(config)), ...checkTlsFiles(config)];
};
