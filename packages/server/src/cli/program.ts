import { Command, CommanderError } from 'commander';
import { addConfigFlag, addSettingFlags, allSettings } from './flags.ts';
import { complaintJson, type ExitCode, type Streams } from './output.ts';
import type { AddTools } from './tools.ts';

export type Flags = Readonly<Record<string, string | boolean | undefined>>;

/** What the commands do; each resolves with the exit code once it is done. */
export type Commands = {
  readonly dev: (flags: Flags) => Promise<ExitCode>;
  readonly start: (flags: Flags) => Promise<ExitCode>;
  readonly tokenCreate: (flags: Flags) => Promise<ExitCode>;
  readonly migrate: (flags: Flags) => Promise<ExitCode>;
  readonly health: (flags: Flags) => Promise<ExitCode>;
  readonly cluster: (flags: Flags) => Promise<ExitCode>;
  readonly audit: (flags: Flags) => Promise<ExitCode>;
  readonly secretsRotate: (flags: Flags) => Promise<ExitCode>;
};

/** These start without loading the developer's tools. */
const WITHOUT_TOOLS = [
  'dev',
  'start',
  'token',
  'migrate',
  'health',
  'cluster',
  'audit',
  'secrets',
  '-V',
  '--version',
];
/** The server's commands that print a result; they speak of what is wrong in text. */
const SAY_IN_TEXT = ['token', 'migrate', 'health', 'cluster', 'audit', 'secrets'];
const OF_THE_PROGRAM = ['-h', '--help', '-V', '--version'];

/** Not commander's default command: with it, a mistyped command becomes an argument too many of `dev`. */
const withCommand = (args: readonly string[]): string[] => {
  const [first] = args;
  const names = first !== undefined && (!first.startsWith('-') || OF_THE_PROGRAM.includes(first));
  return names ? [...args] : ['dev', ...args];
};

/**
 * Runs one command line.
 *
 * @param args Without the program's own name; no command means `dev`.
 * @param loadTools The developer's tools, for command lines that are not one of the server's own.
 * @returns The exit code: 0 done, 1 failed, 2 wrong usage or configuration, 3 no server reached.
 */
export const runProgram = async (
  args: readonly string[],
  commands: Commands,
  streams: Streams & { readonly complaint: () => string },
  version: string,
  loadTools: () => Promise<AddTools>,
): Promise<ExitCode> => {
  let result: ExitCode = 0;
  const program = new Command('posthorn')
    .description('Webhook infrastructure: one command, one Postgres, the Svix API.')
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: streams.out, writeErr: streams.err })
    .showHelpAfterError('(posthorn --help shows what there is)')
    .addHelpText('after', '\nWithout a command it is posthorn dev.');
  const action =
    (run: (flags: Flags) => Promise<ExitCode>) =>
    async (flags: Flags): Promise<void> => {
      result = await run(flags);
    };

  addSettingFlags(
    program
      .command('dev')
      .description('Everything on this machine: database, API, a demo application and a first webhook.')
      .option('--reset', 'Wipe the development data first.')
      .option('--json', 'Print the facts as one JSON object.'),
    allSettings,
  ).action(action(commands.dev));

  addSettingFlags(
    program
      .command('start')
      .description('The server for production. Reads its settings from the environment.'),
    allSettings,
  ).action(action(commands.start));

  const token = program.command('token').description('API tokens.');
  const create = token
    .command('create')
    .description('Print a new token, signed with POSTHORN_JWT_SECRET, alone on standard output.')
    .option('--org <id>', 'The tenant, org_… Default: the default organisation.')
    .option('--app <id>', 'For the consumer of one application (app_…), with the permissions of the portal.')
    .option(
      '--operator',
      'For whoever runs the server: good for /api/v1/admin (server, cluster), and for no tenant’s data.',
    )
    .option(
      '--expires <seconds>',
      'How long it is valid. Default: ten years; 28 days with --app or --operator.',
    )
    .option('--json', 'Print it as a JSON object.')
    .option('--data-dir <text>', 'Take the secret of the posthorn dev that lives there. [POSTHORN_DATA_DIR]');
  addConfigFlag(create).action(action(commands.tokenCreate));

  const migrate = program
    .command('migrate')
    .description('Bring the schema of DATABASE_URL up to date. The server also does so when it starts.')
    .option('--json', 'Print what was done as one JSON object.');
  addConfigFlag(migrate).action(action(commands.migrate));

  const health = program
    .command('health')
    .description('Ask a running server whether it can do its work; exit code 0 only if so.')
    .option('--url <url>', 'Where it runs. Default: the address of POSTHORN_LISTEN.')
    .option('--json', 'Print errors as JSON too; the answer is JSON anyway.');
  addConfigFlag(health).action(action(commands.health));

  const cluster = program
    .command('cluster')
    .description('Which nodes there are, who owns what, and how old the queue is.')
    .option('--url <url>', 'A server to ask. Default: the address of POSTHORN_LISTEN.')
    .option('--data-dir <text>', 'Take the secret of the posthorn dev that lives there. [POSTHORN_DATA_DIR]')
    .option('--json', 'Print all of it as one JSON object, every partition with its token.');
  addConfigFlag(cluster).action(action(commands.cluster));

  const audit = program
    .command('audit')
    .description('Look in the database whether every promise is kept; exit code 0 only if so.')
    .option('--json', 'Print the findings as one JSON object.');
  addConfigFlag(audit).action(action(commands.audit));

  const secrets = program.command('secrets').description('What is encrypted in the database.');
  const rotate = secrets
    .command('rotate')
    .description('Encrypt with POSTHORN_MAIN_SECRET what POSTHORN_MAIN_SECRET_OLD still opens.')
    .option('--json', 'Print what was done as one JSON object.');
  addConfigFlag(rotate).action(action(commands.secretsRotate));

  const line = withCommand(args);
  if (!WITHOUT_TOOLS.includes(line[0]!)) (await loadTools())(program, (code) => (result = code));

  try {
    await program.parseAsync(line, { from: 'user' });
    const isTold = !line.includes('--json') || !SAY_IN_TEXT.includes(line[0]!);
    if (result !== 0 && !isTold && streams.complaint() !== '')
      streams.out(complaintJson(result, streams.complaint()));
    return result;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    if (line.includes('--json')) {
      const message = error.message.replace(/^error: /, '');
      const next = 'posthorn --help shows what there is';
      streams.out(`${JSON.stringify({ error: { code: 'usage', message, next } })}\n`);
    }
    return 2;
  }
};
