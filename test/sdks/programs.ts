// How each program is built and started.
import { delimiter } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder, needProgram, runTool } from '../../docs/test/install.ts';
import { goBinary, javaWith, needOpenssl, pythonWith, rustBinary } from '../../docs/test/toolchains.ts';

export type Program = {
  readonly sdk: string;
  /** Its own, so that the programs do not see each other's. */
  readonly org: string;
  /** Installs and compiles what it needs; answers with the command that starts it. */
  readonly prepare: () => Promise<readonly string[]>;
};

const at = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

const javascript = async (generation: string): Promise<string[]> => [
  process.execPath,
  at('javascript/program.ts'),
  generation,
];

const python = async (): Promise<string[]> => [
  await pythonWith('sdk-python', at('python/requirements.txt')),
  at('python/program.py'),
];

const go = async (): Promise<string[]> => [await goBinary('sdk-go', at('go'), '.')];

const rust = async (): Promise<string[]> => {
  await needOpenssl();
  return [await rustBinary('sdk-rust', at('rust'), 'program')];
};

const java = async (): Promise<string[]> => {
  await needProgram('javac', ['default-jdk-headless']);
  const jars = await javaWith('sdk-java', at('java/pom.xml'));
  const classes = cacheFolder('sdk-java-classes');
  const sources = [at('java/Program.java'), at('java/Support.java')];
  await runTool('javac', ['-encoding', 'UTF-8', '-d', classes, '-cp', jars, ...sources]);
  return ['java', '-cp', `${classes}${delimiter}${jars}`, 'Program'];
};

const program = (sdk: string, prepare: Program['prepare']): Program => ({
  sdk,
  org: `org_sdk${sdk.replaceAll(/\W/g, '')}`,
  prepare,
});

export const programs: readonly Program[] = [
  program('JavaScript 2.5', () => javascript('2')),
  program('JavaScript 1.99', () => javascript('1')),
  program('Python 2.9', python),
  program('Go 1.99', go),
  program('Rust 2.9', rust),
  program('Java 1.99', java),
];

/** The SDKs that are not run, and why. */
export const notRun: Readonly<Record<string, string>> = {
  Ruby: 'the machine that runs the tests does not reach rubygems.org',
  PHP: 'the machine that runs the tests does not reach packagist.org',
  'C#': 'the machine that runs the tests does not reach nuget.org',
};
