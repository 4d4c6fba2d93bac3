import { readFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { createApiClient } from './cli/api-client.ts';
import { cluster } from './cli/cluster.ts';
import { fitCollector } from './cli/collector.ts';
import { createDemoReceiver } from './cli/demo.ts';
import { runDemo } from './cli/dev-demo.ts';
import { loadDevSecrets, newDevSecrets, readDevSecrets, writeDevUrl } from './cli/dev-secrets.ts';
import { devDefaults, devJson, devText, receiptText } from './cli/dev.ts';
import { health, serverUrl } from './cli/health.ts';
import { openProcessStreams, printIssues, type ExitCode } from './cli/output.ts';
import { runProgram, type Commands, type Flags } from './cli/program.ts';
import { createSettingsReader, type Settings } from './cli/read-settings.ts';
import { operatorToken } from './cli/sign-token.ts';
import { onStopRequest, type StopRequest } from './cli/signals.ts';
import { checkTlsFiles } from './cli/tls.ts';
import { readTokenWish } from './cli/token.ts';
import { text } from './cli/tool.ts';
import { workerCount, workerLink } from './cli/workers.ts';
import { createClock, createRandom } from './clock.ts';
import { checkAlways, checkProduction, processEnv, type Config } from './config.ts';
import { explain } from './embedded/errors.ts';
import { defaultDataDir } from './embedded/places.ts';
import type { Logger } from './observe/log.ts';
import type { ServerOptions } from './server.ts';
import { startOn } from './start-on.ts';
import { withDatabase, type Database, type DatabaseWish } from './with-database.ts';
import { wipe } from './wipe.ts';
import { checkRules, endpointUrlProblem, withOwnDisk } from './wiring.ts';

// What takes long to load (the server, its log, SQL) is imported where it is needed: while PostgreSQL
// starts, or never, for a command that does without.

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const DEFAULT_ORG = 'org_23rb8YdGqMT0qIzpgGwdXfHirMu';
// Ctrl-C in development ends all of it within a second.
const DEV_GRACE_MS = 300;
const UNIQUE_BYTES = 9;

/** Errors whose message is all that a person needs. */
const SAID_IN_FULL = ['EmbeddedError', 'SchemaMismatch', 'DamagedSecrets'];

fitCollector();
const clock = createClock();
const random = createRandom();
const env = processEnv();
const streams = openProcessStreams();

const settingsOf = createSettingsReader(env, streams);

const bytesOf = (secrets: readonly (string | null)[]): Uint8Array[] =>
  secrets.filter((secret) => secret !== null && secret !== '').map((secret) => Buffer.from(secret!));

const dataDirOf = (config: Pick<Config, 'dataDir'>): string =>
  config.dataDir ?? defaultDataDir(process.getuid?.(), { xdgDataHome: env['XDG_DATA_HOME'] });

/** With an error of the file system said in words: whose directory it is, and what to do. */
const inDataDir = async <T>(dataDir: string, work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    throw explain(error, dataDir);
  }
};

const databaseOf = (config: Config, say: (line: string) => void, stop: StopRequest): DatabaseWish => ({
  databaseUrl: config.databaseUrl,
  dataDir: dataDirOf(config),
  random: random.bytes,
  say,
  stop,
});

const dev = async (flags: Flags): Promise<ExitCode> => {
  const settings = settingsOf(flags, devDefaults, (read) => [
    ...checkAlways(read),
    ...checkRules(read),
    ...checkTlsFiles(read),
  ]);
  if (typeof settings === 'number') return settings;
  const { config } = settings;
  const stop = onStopRequest(clock.monotonicMs);
  if (flags['reset'] === true) {
    const code = await inDataDir(
      dataDirOf(config),
      wipe(config.databaseUrl, dataDirOf(config), random.bytes, streams),
    );
    if (code !== 0) return code;
  }
  // Damaged, it is said before anything starts.
  await inDataDir(dataDirOf(config), readDevSecrets(dataDirOf(config)));
  const say = (line: string): void => streams.err(`  ${line}\n`);
  return withDatabase(databaseOf(config, say, stop), (database) =>
    runDev(settings, database, flags['json'] === true, stop),
  );
};

const runDev = async (
  { config, origins }: Settings,
  database: Database,
  json: boolean,
  stop: StopRequest,
): Promise<ExitCode> => {
  if (database.embedded === null) {
    const { checkDatabase } = await import('./store/check-database.ts');
    const problems = await checkDatabase(database.url);
    const unusable = problems.filter(({ kind }) => kind === 'unusable');
    if (unusable.length > 0) return printIssues(streams, unusable);
    for (const { name, problem } of problems) streams.err(`  warning: ${name} ${problem}\n`);
  }
  const dataDir = database.embedded?.dataDir ?? dataDirOf(config);
  const unique = random.bytes(UNIQUE_BYTES).toString('base64url');
  const secrets = await inDataDir(
    dataDir,
    loadDevSecrets(dataDir, unique, () => newDevSecrets(config, DEFAULT_ORG, random.bytes)),
  );
  const { createDevLog } = await import('./cli/dev-log.ts');
  const log = createDevLog(config.logLevel, streams);
  const receiver = createDemoReceiver(clock.nowMs);
  const result = await startOn(
    {
      config: withOwnDisk(config, dataDirOf(config)),
      databaseUrl: database.url,
      jwtSecrets: bytesOf([
        config.jwtSecret ?? secrets.jwtSecret,
        secrets.jwtSecret,
        ...config.jwtSecretsOld,
      ]),
      mainSecrets: [config.mainSecret ?? secrets.mainSecret, secrets.mainSecret, ...config.mainSecretsOld],
      alone: database.embedded !== null,
      clock,
      random,
      log,
      version,
      routes: [receiver.handle],
    },
    origins['listen'] === 'default',
    stop,
  );
  if (result === null) return 0;
  if (result.kind === 'failed') return printIssues(streams, [result]);
  const { server } = result;
  try {
    await inDataDir(dataDir, writeDevUrl(dataDir, server.url));
    const call = createApiClient(server.url, secrets.token);
    const demo = await Promise.race([
      runDemo({ call, url: server.url, receiver, nowMs: clock.nowMs }),
      stop.asked,
    ]);
    if (typeof demo === 'string') return 0;
    const facts = {
      version,
      url: server.url,
      token: secrets.token,
      orgId: secrets.orgId,
      dataDir,
      postgres:
        database.embedded === null
          ? null
          : { version: database.embedded.version, port: database.embedded.port },
      demo,
      movedFrom: origins['listen'] !== 'default' || server.url.endsWith(config.listen) ? null : config.listen,
      startMs: Math.round(clock.monotonicMs()),
    };
    streams.out(json ? devJson(facts) : devText(facts));
    if (!json) receiver.onReceipt((receipt) => streams.out(receiptText(receipt)));
    flushCompileCache();
    await untilEnd(database, stop);
    return 0;
  } finally {
    await server.stop(DEV_GRACE_MS);
    hush(log);
  }
};

/** Until a signal comes; rejects when the embedded database is lost. */
const untilEnd = ({ embedded }: Database, stop: StopRequest): Promise<NodeJS.Signals> =>
  Promise.race([stop.asked, ...(embedded === null ? [] : [embedded.lost])]);

/** The end of the embedded database cuts connections that are being closed: nothing to tell of. */
const hush = (log: Logger): void => {
  log.level = 'silent';
};

const start = async (flags: Flags): Promise<ExitCode> => {
  const settings = settingsOf(flags, {}, (read) => [
    ...checkProduction(read),
    ...checkRules(read),
    ...checkTlsFiles(read),
  ]);
  if (typeof settings === 'number') return settings;
  const { config } = settings;
  const { createLogger } = await import('./observe/log.ts');
  const log = createLogger(config.logLevel);
  const say = (line: string): void => log.info(line);
  const link = workerLink();
  if (link !== null) {
    // Its supervisor decides for the whole pool; a terminal's signals go to all of its processes.
    const ignore = (): void => {};
    const stop = onStopRequest(clock.monotonicMs, { SIGINT: ignore, SIGHUP: ignore });
    const { node, databaseUrl } = await link.task;
    return serve(config, { url: databaseUrl, embedded: null }, log, stop, { ...link, node });
  }
  const isPool = config.workers !== '1';
  let reload = (): void => {};
  const stop = onStopRequest(clock.monotonicMs, isPool ? { SIGHUP: () => reload() } : {});
  return withDatabase(databaseOf(config, say, stop), async (database) => {
    const { checkDatabase } = await import('./store/check-database.ts');
    const problems = await checkDatabase(database.url);
    if (problems.length > 0) return printIssues(streams, problems);
    if (!isPool) return serve(config, database, log, stop);
    const { runPool } = await import('./pool.ts');
    return runPool({
      config,
      count: workerCount(config.workers),
      databaseUrl: database.url,
      random,
      clock,
      log,
      onReload: (run) => {
        reload = run;
      },
      end: untilEnd(database, stop),
      version,
    });
  });
};

/** One server until it is asked to end, alone or as a worker of a pool. */
const serve = async (
  config: Config,
  database: Database,
  log: Logger,
  stop: StopRequest,
  worker: {
    readonly node: NonNullable<ServerOptions['node']>;
    readonly ready: (url: string) => void;
    readonly farewell: () => Promise<void>;
  } | null = null,
): Promise<ExitCode> => {
  const result = await startOn(
    {
      config: withOwnDisk(config, dataDirOf(config)),
      databaseUrl: database.url,
      jwtSecrets: bytesOf([config.jwtSecret, ...config.jwtSecretsOld]),
      mainSecrets: [config.mainSecret!, ...config.mainSecretsOld],
      alone: database.embedded !== null,
      ...(worker === null ? {} : { node: worker.node }),
      clock,
      random,
      log,
      version,
    },
    false,
    stop,
  );
  if (result === null) return 0;
  if (result.kind === 'failed') return printIssues(streams, [result]);
  const { url } = result.server;
  log.info({ url, docs: `${url}/docs`, version }, 'ready');
  worker?.ready(result.server.url);
  flushCompileCache();
  try {
    log.info({ signal: await untilEnd(database, stop) }, 'stopping');
    return 0;
  } finally {
    await result.server.stop(config.grace * 1000);
    await worker?.farewell();
    log.info('stopped');
    hush(log);
  }
};

/** What tokens for the server of these settings are signed with, and its first tenant. */
const signerOf = async (config: Config): Promise<{ secret: Uint8Array; orgId: string } | ExitCode> => {
  const dataDir = dataDirOf(config);
  const fromDev = config.jwtSecret === null ? await inDataDir(dataDir, readDevSecrets(dataDir)) : null;
  const secret = config.jwtSecret ?? fromDev?.jwtSecret ?? null;
  if (secret !== null) return { secret: Buffer.from(secret), orgId: fromDev?.orgId ?? DEFAULT_ORG };
  return printIssues(streams, [
    {
      name: 'POSTHORN_JWT_SECRET',
      problem: 'is not set and no posthorn dev has left one here; set it to the secret of the server',
    },
  ]);
};

const tokenCreate = async (flags: Flags): Promise<ExitCode> => {
  const settings = settingsOf(flags, {}, () => []);
  if (typeof settings === 'number') return settings;
  const { config } = settings;
  const signer = await signerOf(config);
  if (typeof signer === 'number') return signer;
  const asked = readTokenWish(flags, signer.orgId);
  if (asked.kind === 'refused') {
    streams.err(`posthorn: ${asked.problem}\n`);
    return 2;
  }
  const { mintToken } = await import('./api/tokens.ts');
  const { of, lifetimeSeconds } = asked.wish;
  const { secret } = signer;
  const nowMs = clock.nowMs();
  const token =
    of === null
      ? operatorToken(secret, nowMs, lifetimeSeconds)
      : await mintToken({ ...of, secret, nowMs, lifetimeSeconds });
  streams.out(flags['json'] === true ? `${JSON.stringify({ token })}\n` : `${token}\n`);
  return 0;
};

const migrateNow = async (flags: Flags): Promise<ExitCode> => {
  const settings = settingsOf(flags, {}, () => []);
  if (typeof settings === 'number') return settings;
  const { config } = settings;
  if (config.databaseUrl === null) {
    return printIssues(streams, [
      {
        name: 'DATABASE_URL',
        problem: 'is not set; the embedded database is migrated when the server starts',
      },
    ]);
  }
  const { checkDatabase } = await import('./store/check-database.ts');
  const problems = await checkDatabase(config.databaseUrl);
  if (problems.length > 0) return printIssues(streams, problems);
  const { migrate } = await import('./store/migrate.ts');
  const { applied, version: schema } = await migrate({
    url: config.databaseUrl,
    log: (line) => streams.err(`${line}\n`),
  });
  if (flags['json'] === true) streams.out(`${JSON.stringify({ applied, version: schema })}\n`);
  else if (applied.length === 0) streams.err(`nothing to do: the schema is at version ${schema}\n`);
  return 0;
};

const healthOf = async (flags: Flags): Promise<ExitCode> => {
  const settings = settingsOf(flags, {}, () => []);
  if (typeof settings === 'number') return settings;
  const { config } = settings;
  return health(serverUrl(config, flags), streams);
};

/** The developer's tools, with what of the other folders they use. */
const loadTools = async () => {
  const [{ createTools }, { processSurroundings }] = await Promise.all([
    import('./cli/tools.ts'),
    import('./cli/surroundings.ts'),
  ]);
  const dataDir = (flags: Flags): string =>
    dataDirOf({ dataDir: text(flags, 'dataDir') ?? env['POSTHORN_DATA_DIR'] ?? null });
  return createTools(processSurroundings({ clock, random, env, version, dataDir }), {
    checkDatabase: async (url) => (await import('./store/check-database.ts')).checkDatabase(url),
    databaseFacts: async (url) => (await import('./store/database-facts.ts')).readDatabaseFacts(url),
    checkRules,
    checkUrl: endpointUrlProblem,
  });
};

const clusterOf = async (flags: Flags): Promise<ExitCode> => {
  const settings = settingsOf(flags, {}, () => []);
  if (typeof settings === 'number') return settings;
  const { config } = settings;
  const signer = await signerOf(config);
  if (typeof signer === 'number') return signer;
  const token = operatorToken(signer.secret, clock.nowMs());
  return cluster(serverUrl(config, flags), token, flags['json'] === true, streams);
};

const upkeepBy = async (task: 'audit' | 'rotate', flags: Flags): Promise<ExitCode> => {
  const settings = settingsOf(flags, {}, (read) => [...checkAlways(read), ...checkRules(read)]);
  if (typeof settings === 'number') return settings;
  const say = (line: string): void => streams.err(`${line}\n`);
  const wish = databaseOf(settings.config, say, onStopRequest(clock.monotonicMs));
  const { upkeep } = await import('./upkeep.ts');
  return upkeep[task]({ ...settings, wish, random, streams, asJson: flags['json'] === true });
};

const commands: Commands = {
  dev,
  start,
  tokenCreate,
  migrate: migrateNow,
  health: healthOf,
  cluster: clusterOf,
  audit: (flags) => upkeepBy('audit', flags),
  secretsRotate: (flags) => upkeepBy('rotate', flags),
};

try {
  const code = await runProgram(process.argv.slice(2), commands, streams, version, loadTools);
  // Whatever else holds the process open is no longer wanted.
  process.exit(code);
} catch (error) {
  const { name, message, stack } = error as Error;
  streams.err(`posthorn: ${SAID_IN_FULL.includes(name) ? message : (stack ?? String(error))}\n`);
  process.exit(1);
}
