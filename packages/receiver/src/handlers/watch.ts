import type { ReceivedEvent, Seen, SeenFact, Trace } from '../contract.ts';
import type { Settings } from './options.ts';

/** What every fact of one request begins with. */
export type About = Pick<SeenFact, 'source' | 'traceparent'>;

/** Runs work in a span, where there is a tracer; `tell` reaches the span and the hook. */
export const inSpan = <T>(
  { trace, seen }: { readonly trace?: Trace; readonly seen?: Seen },
  kind: 'receive' | 'process',
  about: About,
  run: (tell: Seen) => Promise<T>,
): Promise<T> => (trace ? traced(trace, { ...about, kind }, seen, run) : run((fact) => safely(seen, fact)));

/** A tracer that throws before the work has begun must not cost an event; after that it is too late to begin. */
const traced = async <T>(
  trace: Trace,
  span: Parameters<Trace>[0],
  seen: Seen | undefined,
  run: (tell: Seen) => Promise<T>,
): Promise<T> => {
  let running: Promise<T> | null = null;
  const work = (note: Seen | undefined): Promise<T> =>
    (running ??= run((fact) => [seen, note].forEach((hook) => safely(hook, fact))));
  try {
    return await trace(span, work);
  } catch {
    return work(undefined);
  }
};

const safely = (hook: Seen | undefined, fact: SeenFact): void => {
  try {
    hook?.(fact);
  } catch {
    // A hook that throws must not cost an event.
  }
};

/** An error's name, which unlike its message cannot quote a payload. */
export const errorName = (error: unknown): string => (error instanceof Error ? error.name : typeof error);

/** Numbers of systems are small; what is larger may be anything. */
const MOST_CODE = 100_000;

/** The code of an error or of what caused it, as systems and databases have them: never a sentence. */
const codeOf = (error: unknown): string => {
  const { code, cause, errors } = (error ?? {}) as {
    readonly code?: unknown;
    readonly cause?: unknown;
    readonly errors?: readonly unknown[];
  };
  if (typeof code === 'string' && /^[A-Z\d_]{2,40}$/.test(code)) return ` ${code}`;
  if (typeof code === 'number' && Math.abs(code) < MOST_CODE) return ` ${code}`;
  return cause === undefined && errors === undefined ? '' : codeOf(cause ?? errors?.[0]);
};

export const reportError = <Data>(
  { onError, log }: Pick<Settings<Data>, 'onError' | 'log'>,
  what: string,
  error: unknown,
  event: ReceivedEvent | null,
): void => {
  if (!onError)
    return logSafely(
      log,
      `@posthorn/receiver: ${what}: ${errorName(error)}${codeOf(error)}${placeOf(error)}. Pass onError to get the error itself; ` +
        'its message is not logged because it may quote the payload.',
    );
  try {
    onError(error, event);
  } catch {
    // As above.
  }
};

/** A log that throws must not cost an event either. */
export const logSafely = (log: (text: string) => void, text: string): void => {
  try {
    log(text);
  } catch {
    // There is nowhere left to tell it.
  }
};

const placeOf = (error: unknown): string => {
  const frame = error instanceof Error ? /^\s+at .*$/m.exec(error.stack ?? '') : null;
  return frame ? ` ${frame[0].trim()}` : '';
};
