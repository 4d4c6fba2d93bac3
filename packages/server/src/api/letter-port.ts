import type { Walk } from './paging.ts';
import type { AppPath, EndpointPath, Walked } from './port.ts';
import type { DeadLetter, LetterReview } from './records.ts';

export type DeadLetterFilter = {
  readonly endpointId: string | null;
  readonly eventTypes: readonly string[] | null;
  readonly state: DeadLetter['state'] | null;
  readonly reason: string | null;
  readonly reviewed: boolean | null;
  readonly sinceMs: number | null;
  readonly untilMs: number | null;
};

export type LetterPath = EndpointPath & { readonly messageId: string };

export type DeadLetterStore = {
  /** Whether a text names a place in the list. */
  readonly isKey: (text: string) => boolean;
  /** Applications of the organisation that have open letters. */
  readonly applicationsWithOpen: (orgId: string) => Promise<readonly string[]>;
  /** Latest death first (of one endpoint: latest message first). The walk starts from a row's `key`. */
  readonly list: (path: AppPath, filter: DeadLetterFilter, walk: Walk) => Promise<Walked<DeadLetter>>;
  /** The latest of the message and the endpoint. */
  readonly find: (path: LetterPath) => Promise<DeadLetter | null>;
  /** Keeps who looked at it; a note of null leaves the one that is there. */
  readonly review: (path: LetterPath, review: LetterReview) => Promise<DeadLetter | 'missing'>;
  readonly discard: (path: LetterPath, review: LetterReview) => Promise<DeadLetter | 'missing' | 'not_open'>;
  /** Marks it replayed, as another message. */
  readonly replace: (
    path: LetterPath & { readonly run: number },
    successor: string,
    review: LetterReview,
  ) => Promise<DeadLetter>;
  /** Opens a new run with a full schedule, due now, and marks the letter replayed, in one transaction. */
  readonly replay: (
    path: LetterPath,
    review: LetterReview,
  ) => Promise<DeadLetter | 'missing' | 'not_open' | 'payload_gone' | 'endpoint_gone' | 'endpoint_disabled'>;
};
