#!/usr/bin/env node
// Plain JavaScript without recent syntax: a Node that is too old must get a sentence, not a
// syntax error. In a clone of the repository the Node that npm installed takes over.
import { spawn } from 'child_process';
import { existsSync } from 'fs';
import module from 'module';
import { fileURLToPath, pathToFileURL } from 'url';

const NEEDED = [22, 19];
const RELAUNCHED = 'POSTHORN_RELAUNCHED';

const here = fileURLToPath(new URL('.', import.meta.url));
const source = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const built = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const ownNode = fileURLToPath(new URL('../../../node_modules/.bin/node', import.meta.url));

const inRepository = existsSync(source) && !/[\\/]node_modules[\\/]/.test(here);
const relaunched = process.env[RELAUNCHED] === '1';
delete process.env[RELAUNCHED];

if (isRecent(process.versions.node)) {
  keepCompiledCode();
  if (relaunched) endWithLauncher();
  import(pathToFileURL(inRepository ? source : built).href).catch(fail);
} else if (inRepository && !relaunched && existsSync(ownNode)) {
  relaunch();
} else {
  refuse();
}

function isRecent(version) {
  const parts = version.split('.').map(Number);
  return parts[0] > NEEDED[0] || (parts[0] === NEEDED[0] && parts[1] >= NEEDED[1]);
}

// Halves the time of the next start. In a place that only whoever may change the code can change.
function keepCompiledCode() {
  const modules = inRepository ? '../../../node_modules/' : '../../';
  module.enableCompileCache(fileURLToPath(new URL(modules + '.cache/posthorn', import.meta.url)));
}

function refuse() {
  const how =
    inRepository && !relaunched
      ? 'run `npm ci` in the repository, it brings its own'
      : 'install Node 24 from https://nodejs.org or with your version manager';
  console.error(
    'posthorn needs Node ' +
      NEEDED.join('.') +
      ' or newer and this is ' +
      process.version +
      ': ' +
      how +
      ', then run the command again.',
  );
  process.exit(1);
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

// The child gets a process group of its own, so that a terminal's Ctrl-C arrives here only and
// is passed on once. The IPC channel tells it when this process was killed without a chance to.
function relaunch() {
  const env = Object.assign({}, process.env);
  env[RELAUNCHED] = '1';
  const child = spawn(ownNode, [fileURLToPath(import.meta.url)].concat(process.argv.slice(2)), {
    env: env,
    detached: true,
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGWINCH'];
  const passOn = (signal) => child.kill(signal);
  signals.forEach((signal) => process.on(signal, passOn));
  child.on('error', refuse);
  child.on('exit', (code, signal) => {
    signals.forEach((name) => process.removeListener(name, passOn));
    if (signal) process.kill(process.pid, signal);
    else process.exit(code);
  });
}

function endWithLauncher() {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel.unref();
}
