/** How a command ends: 0 done, 1 failed, 2 wrong usage or configuration, 3 no server reached. */
export type ExitCode = 0 | 1 | 2 | 3;

/** Standard streams, handed in so that tests read them. */
export type Streams = {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
};

/** The process's own. A reader that goes away (`| head`) does not end the process. */
export const openProcessStreams = (): Streams & {
  /** The beginning of what was said on standard error. */
  readonly complaint: () => string;
} => {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  let complaint = '';
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => {
      if (complaint.length < MOST_COMPLAINT) complaint += text;
      process.stderr.write(text);
    },
    complaint: () => complaint,
  };
};

const MOST_COMPLAINT = 4_096;

const CODES = { 1: 'failed', 2: 'usage', 3: 'unreachable' } as const;

/** For programs: what was said on standard error, as the commands for developers say theirs. */
export const complaintJson = (code: 1 | 2 | 3, complaint: string): string => {
  const [message = '', ...next] = complaint
    .trim()
    .replace(/^posthorn: /, '')
    .split('\n');
  const rest = next.map((line) => line.trim()).join(' ');
  return `${JSON.stringify({ error: { code: CODES[code], message, next: rest === '' ? null : rest } })}\n`;
};

/** Says what is wrong, why and what to do, one line each. */
export const printIssues = (
  streams: Streams,
  issues: readonly { readonly name: string; readonly problem: string }[],
): ExitCode => {
  for (const { name, problem } of issues) streams.err(`posthorn: ${name} ${problem}\n`);
  streams.err('All settings: posthorn start --help\n');
  return 2;
};
