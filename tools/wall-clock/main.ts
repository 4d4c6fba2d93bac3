// Runs a command at another time of the day, with everything that it starts: PostgreSQL too, which gets an
// environment of its own and so cannot be reached by LD_PRELOAD. libfaketime will not do here: PostgreSQL asks
// for the time in its signal handlers, where libfaketime tells the true one, and no timeout of a statement or
// a lock ever comes.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseMoment } from './moment.ts';

const HELP = `node tools/wall-clock/main.ts MOMENT COMMAND [ARGUMENT…]

Runs the command with the wall clock starting at MOMENT, in UTC: 23:58 (today), 23:58:30 or 2026-12-31T23:58.
Needs Linux, root (a mount namespace of its own) and a C compiler (cc). Exit code: the command's; 2 when it
cannot be run so.
`;

const fail = (why: string): never => {
  process.stderr.write(`wall-clock: ${why}\n\n${HELP}`);
  process.exit(2);
};

/** In a namespace where every program loads the library: its own layer over /etc, gone with the last process. */
const INSIDE = `
mount -t tmpfs none "$1" && mkdir "$1/upper" "$1/work" &&
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/upper,workdir=$1/work" /etc &&
cp "$2" /etc/wall-clock.so && chmod 755 /etc/wall-clock.so && echo /etc/wall-clock.so > /etc/ld.so.preload || exit 2
shift 2; exec "$@"`;

const [moment = '', ...given] = process.argv.slice(2);
const command = given[0] === '--' ? given.slice(1) : given;
if (moment === '--help' || moment === '-h') {
  process.stdout.write(HELP);
  process.exit(0);
}
const nowMs = Date.now();
const atMs = parseMoment(moment, nowMs) ?? fail(`"${moment}" is no moment`);
if (command.length === 0) fail('there is no command to run');
if (process.platform !== 'linux' || process.getuid?.() !== 0) fail('it takes Linux and root');

const place = mkdtempSync(join(tmpdir(), 'wall-clock-'));
const layer = mkdtempSync(join(tmpdir(), 'wall-clock-'));
const library = join(place, 'wall-clock.so');
const source = fileURLToPath(new URL('wall-clock.c', import.meta.url));
const shift = `-DSHIFT=${Math.round((atMs - nowMs) / 1000)}`;
const clean = (): void => {
  for (const path of [place, layer]) rmSync(path, { recursive: true, force: true });
};
try {
  execFileSync('cc', ['-O2', '-fPIC', '-shared', shift, '-o', library, source], { stdio: 'pipe' });
} catch (error) {
  clean();
  fail(`the C compiler failed: ${(error as Error).message}`);
}
const child = spawn('unshare', ['--mount', 'sh', '-c', INSIDE, 'wall-clock', layer, library, ...command], {
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  clean();
  fail(error.message);
});
child.on('exit', (code, signal) => {
  clean();
  if (signal !== null) process.stderr.write(`wall-clock: the command was ended by ${signal}\n`);
  process.exit(code ?? 1);
});
