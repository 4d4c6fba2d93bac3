// How each program of docs/verify is built and started: here, because a reader starts it as the
// comment at its top says.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder, needProgram, runTool } from './install.ts';
import { goBinary, javaWith, pythonWith, rustBinary } from './toolchains.ts';

export type Program = {
  /** Below docs/verify. */
  readonly file: string;
  /** Whether it takes any bytes; some libraries read the body as UTF-8 text. */
  readonly takesBinary: boolean;
  /** Installs and compiles what it needs; answers with the commands that start it. */
  readonly prepare: () => Promise<readonly (readonly string[])[]>;
};

const verify = fileURLToPath(new URL('../verify/', import.meta.url));
const at = (file: string): string => join(verify, file);

const python = async (file: string): Promise<string[][]> => [
  [await pythonWith('python', at('python/requirements.txt')), at(file)],
];

const go = async (name: string): Promise<string[][]> => [[await goBinary('go', at('go'), name)]];

const rust = async (name: string): Promise<string[][]> => [[await rustBinary('rust', at('rust'), name)]];

const java = async (file: string): Promise<string[][]> => [
  ['java', '-cp', await javaWith('java', at('java/pom.xml')), at(file)],
];

const ruby = async (file: string): Promise<string[][]> => {
  await needProgram('ruby', ['ruby', 'ruby-webrick']);
  return [['ruby', '-w', at(file)]];
};

const php = async (file: string): Promise<string[][]> => {
  await needProgram('php', ['php-cli']);
  return [
    ['php', '-S', '127.0.0.1:PORT', at(file)],
    ['php', at(file)],
  ];
};

// .NET itself is not among Debian's packages; Mono compiles and runs the same file.
const csharp = async (file: string): Promise<string[][]> => {
  await needProgram('mcs', ['mono-mcs', 'mono-runtime', 'libmono-system-core4.0-cil']);
  const binary = join(cacheFolder('csharp'), 'program.exe');
  await runTool('mcs', ['-warnaserror', `-out:${binary}`, at(file)]);
  return [['mono', binary]];
};

const typescript = async (file: string): Promise<string[][]> => [[process.execPath, at(file)]];

const program = (file: string, prepare: Program['prepare'], takesBinary = true): Program => {
  let commands: ReturnType<Program['prepare']> | undefined;
  return { file, takesBinary, prepare: () => (commands ??= prepare()) };
};

/** The programs that are built and run. */
export const programs: readonly Program[] = [
  program('typescript/by-hand.ts', () => typescript('typescript/by-hand.ts')),
  program('typescript/with-library.ts', () => typescript('typescript/with-library.ts'), false),
  program('python/by_hand.py', () => python('python/by_hand.py')),
  program('python/with_library.py', () => python('python/with_library.py'), false),
  program('go/by-hand/main.go', () => go('by-hand')),
  program('go/with-library/main.go', () => go('with-library')),
  program('rust/src/bin/by-hand.rs', () => rust('by-hand')),
  program('rust/src/bin/with-library.rs', () => rust('with-library'), false),
  program('java/ByHand.java', () => java('java/ByHand.java')),
  program('java/WithLibrary.java', () => java('java/WithLibrary.java'), false),
  program('ruby/by_hand.rb', () => ruby('ruby/by_hand.rb')),
  program('php/by-hand.php', () => php('php/by-hand.php')),
  program('csharp/by-hand/Program.cs', () => csharp('csharp/by-hand/Program.cs')),
];

/** The programs that are not run, and why; docs/verify/README.md says the same. */
export const notRun: Readonly<Record<string, string>> = {
  'ruby/with_library.rb': 'the machine that runs the tests does not reach rubygems.org',
  'php/with-library.php': 'the machine that runs the tests does not reach packagist.org',
  'csharp/with-library/Program.cs': 'the machine that runs the tests does not reach nuget.org',
};
