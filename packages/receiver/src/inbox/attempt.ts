import type { ReceivedEvent, Seen, SeenFact, Trace } from '../contract.ts';
import { traceparentOf } from '../handlers/event.ts';
import { errorName, inSpan } from '../handlers/watch.ts';

/** How one attempt to handle an event ended. */
export type Attempted =
  | { readonly kind: 'processed' }
  | { readonly kind: 'failed'; readonly error: unknown }
  /** Done, but another had started it meanwhile. */
  | { readonly kind: 'overtaken' }
  /** The last attempt failed. */
  | { readonly kind: 'dead'; readonly error: unknown };

export type Watching = { readonly seen?: Seen; readonly trace?: Trace };

/**
 * Runs one attempt in its span and tells how it ended. `run` says so by a value; what it throws is a
 * failure.
 */
export const attempting = (
  watching: Watching,
  event: ReceivedEvent,
  attempt: number,
  run: () => Promise<Attempted>,
): Promise<Attempted> =>
  inSpan(watching, 'process', aboutOf(event), async (tell) => {
    const startedMs = performance.now();
    const ended = await run().catch((error: unknown): Attempted => ({ kind: 'failed', error }));
    const fact = {
      ...aboutOf(event),
      id: event.id,
      durationMs: Math.round(performance.now() - startedMs),
    };
    switch (ended.kind) {
      case 'processed':
        tell({ ...fact, kind: 'processed', ageMs: Math.max(0, Date.now() - event.receivedAtMs), attempt });
        break;
      case 'overtaken':
        tell({ ...fact, kind: 'overtaken' });
        break;
      case 'dead':
      case 'failed':
        tell({ ...fact, kind: 'failed', attempt, error: errorName(ended.error) });
        if (ended.kind === 'dead') tell({ ...aboutOf(event), kind: 'dead', id: event.id, attempts: attempt });
        break;
      default:
        ended satisfies never;
    }
    return ended;
  });

/** For facts without a span of their own. */
export const tellOf =
  ({ seen }: Watching): Seen =>
  (fact) => {
    try {
      seen?.(fact);
    } catch {
      // A hook that throws must not cost an event.
    }
  };

export const aboutOf = ({ source, headers }: ReceivedEvent): Pick<SeenFact, 'source' | 'traceparent'> => ({
  source,
  ...traceparentOf(headers['traceparent'] ?? null),
});

/** An error as an operator reads it. */
export const errorText = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);
