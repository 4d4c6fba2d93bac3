// The process under test: the real server, its settings from the environment as `posthorn start` takes them,
// and around its parts what the environment asks for: a crash point, a planted bug.
import { flushCompileCache } from 'node:module';
import { createClock, createRandom } from '../../src/clock.ts';
import { checkProduction, processEnv, readConfig } from '../../src/config.ts';
import { createLogger } from '../../src/observe/log.ts';
import { startServer } from '../../src/server.ts';
import { nowMs } from './changes.ts';
import { parsePlanted } from './planted.ts';
import { combine, parsePoint, type Say, watch } from './points.ts';

const say = (line: object): void => {
  process.stdout.write(`${JSON.stringify({ crash: { ...line, atMs: nowMs() } })}\n`);
};

const tell: Say = (event, count) => say({ event, count });

const env = processEnv();
const read = readConfig({ flags: {}, env });
const issues = read.kind === 'ok' ? checkProduction(read.config) : read.issues;
if (read.kind !== 'ok' || issues.length > 0) throw new Error(`Bad settings: ${JSON.stringify(issues)}`);
const { config } = read;
const { databaseUrl } = config;
if (databaseUrl === null) throw new Error('DATABASE_URL is not set');

const point = env['CRASH_AT'];
const bug = env['CRASH_PLANT'];
const { jwtSecret, mainSecret } = config;
if (jwtSecret === null || mainSecret === null) throw new Error('A secret is not set');

// What goes wrong around a process that goes on: its event loop is blocked for longer than its lease …
const blockedMs = Number(env['CRASH_BLOCK_MS'] ?? config.lease * 1_500);
process.on('SIGUSR2', () => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockedMs);
});
// … or somebody sets the machine's clock an hour ahead, and the next time back.
let aheadMs = 0;
process.on('SIGHUP', () => {
  aheadMs = aheadMs === 0 ? 3_600_000 : 0;
  say({ event: 'clock', count: aheadMs });
});
const clock = createClock();

const result = await startServer({
  config,
  databaseUrl,
  jwtSecrets: [Buffer.from(jwtSecret)],
  mainSecrets: [mainSecret],
  alone: false,
  clock: { ...clock, wallMs: () => clock.wallMs() + aheadMs },
  random: createRandom(),
  log: createLogger(config.logLevel),
  // It shows in the User-Agent of its requests: the receivers know who sent what.
  version: `test-${process.pid}`,
  decorate: combine([
    ...(bug === undefined ? [] : [parsePlanted(bug, { databaseUrl, say: tell })]),
    ...(point === undefined ? [] : [parsePoint(point)]),
    watch(tell),
  ]),
});
if (result.kind === 'failed') throw new Error(`${result.name}: ${result.problem}`);
const { server } = result;
flushCompileCache();
say({ event: 'ready' });

process.once('SIGTERM', () => {
  const stopped = server.stop(config.grace * 1_000);
  say({ event: 'stopping' });
  stopped.then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
// The tests' end is this process's end, however they ended.
process.stdin.on('end', () => process.exit(1)).resume();
