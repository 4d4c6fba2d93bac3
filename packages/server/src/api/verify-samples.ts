import { existsSync, readFileSync } from 'node:fs';

export type Language = {
  readonly name: string;
  /** Below docs/verify. */
  readonly byHand: string;
  readonly withLibrary: string;
};

/** Complete receivers, in the order of being shown. */
export const languages: readonly Language[] = [
  { name: 'TypeScript', byHand: 'typescript/by-hand.ts', withLibrary: 'typescript/with-library.ts' },
  { name: 'Python', byHand: 'python/by_hand.py', withLibrary: 'python/with_library.py' },
  { name: 'Go', byHand: 'go/by-hand/main.go', withLibrary: 'go/with-library/main.go' },
  { name: 'Rust', byHand: 'rust/src/bin/by-hand.rs', withLibrary: 'rust/src/bin/with-library.rs' },
  { name: 'Java', byHand: 'java/ByHand.java', withLibrary: 'java/WithLibrary.java' },
  { name: 'Ruby', byHand: 'ruby/by_hand.rb', withLibrary: 'ruby/with_library.rb' },
  { name: 'PHP', byHand: 'php/by-hand.php', withLibrary: 'php/with-library.php' },
  { name: 'C#', byHand: 'csharp/by-hand/Program.cs', withLibrary: 'csharp/with-library/Program.cs' },
];

/** In the published package (see its `prepack`), and in the repository. */
const PLACES = ['../../verify/', '../../../../docs/verify/'].map((path) => new URL(path, import.meta.url));

/** The text of one of the programs. */
export const readSample = (path: string): string => {
  const place = PLACES.find((url) => existsSync(new URL(path, url)));
  if (place === undefined) throw new Error(`the package lacks verify/${path}`);
  return readFileSync(new URL(path, place), 'utf8');
};
