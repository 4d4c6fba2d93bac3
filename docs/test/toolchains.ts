// Programs of other languages, with what their package managers bring, built and ready to start. Where a
// compiler or an interpreter is missing it is installed, or MissingProgram says what is.
import { join } from 'node:path';
import { debian } from '../../packages/receiver/test/brokers/install.ts';
import { cacheFolder, needProgram, once, runTool } from './install.ts';

/** A Python that has these requirements. @returns its path */
export const pythonWith = async (cache: string, requirements: string): Promise<string> => {
  await needProgram('python3', ['python3-venv']);
  const folder = cacheFolder(cache);
  await once(folder, [requirements], async () => {
    await runTool('python3', ['-m', 'venv', '--clear', folder]);
    await runTool(join(folder, 'bin/pip'), ['install', '--quiet', '-r', requirements]);
  });
  return join(folder, 'bin/python');
};

/** The program of a package, relative to its module's folder, compiled. @returns its path */
export const goBinary = async (cache: string, module: string, name: string): Promise<string> => {
  await needProgram('go');
  const binary = join(cacheFolder(cache), name === '.' ? 'program' : name);
  await runTool('go', ['vet', `./${name}`], { cwd: module });
  await runTool('go', ['build', '-buildvcs=false', '-o', binary, `./${name}`], { cwd: module });
  return binary;
};

/** A crate's program, compiled without a warning. @returns its path */
export const rustBinary = async (cache: string, crate: string, name: string): Promise<string> => {
  await needProgram('cargo');
  const target = cacheFolder(cache);
  const args = ['build', '--quiet', '--locked', '--target-dir', target, '--bin', name];
  await runTool('cargo', args, { cwd: crate, env: { RUSTFLAGS: '-D warnings' } });
  return join(target, 'debug', name);
};

/** OpenSSL, as Rust crates link it. */
export const needOpenssl = async (): Promise<void> => {
  await needProgram('pkg-config', ['pkg-config']);
  await debian('libssl-dev', '/usr/include/openssl/ssl.h');
};

/** The jars that a pom.xml depends on. @returns the class path */
export const javaWith = async (cache: string, pom: string): Promise<string> => {
  await needProgram('java');
  await needProgram('mvn', ['maven']);
  const folder = cacheFolder(cache);
  await once(folder, [pom], () =>
    runTool('mvn', [
      '--quiet',
      '--batch-mode',
      '--file',
      pom,
      'dependency:copy-dependencies',
      `-DoutputDirectory=${folder}`,
    ]),
  );
  return `${folder}/*`;
};
