/**
 * What a failed statement means for what it wanted to write.
 *
 * unavailable  Nothing was written; the database is away, full, read-only, overloaded or has
 *              cancelled the statement. Trying again later may help.
 * rejected     Nothing was written; the database refused the data. Trying again does not help.
 * unknown      The statement was sent and no verdict came back: it may or may not have committed.
 */
export type StoreFailure = {
  readonly kind: 'unavailable' | 'rejected' | 'unknown';
  /** SQLSTATE, a system error code (ECONNREFUSED) or null. */
  readonly code: string | null;
  readonly detail: string;
};

/** Thrown by operations without a reply union when the database could not be reached or the outcome is not known. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
  readonly failure: StoreFailure;
  constructor(failure: StoreFailure) {
    super(failure.detail);
    this.failure = failure;
  }
}

/** Thrown when the database refused the data of a statement: a broken invariant of the caller. */
export class StoreRejected extends Error {
  override readonly name = 'StoreRejected';
  readonly failure: StoreFailure;
  constructor(failure: StoreFailure) {
    super(failure.detail);
    this.failure = failure;
  }
}

type ErrorLike = { readonly message?: unknown; readonly code?: unknown; readonly severity?: unknown };

const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

const detailOf = (error: unknown): string => {
  if (error instanceof AggregateError && error.errors.length > 0)
    return error.errors.map(detailOf).join('; ');
  const { message, code } = error as ErrorLike;
  return textOf(message) ?? textOf(code) ?? String(error);
};

const codeOf = (error: unknown): string | null => {
  const own = textOf((error as ErrorLike | null)?.code);
  if (own !== null) return own;
  return error instanceof AggregateError && error.errors.length > 0 ? codeOf(error.errors[0]) : null;
};

/** A failure before the statement left the process: no connection could be had. */
export const failureBeforeSend = (error: unknown): StoreFailure => ({
  kind: 'unavailable',
  code: codeOf(error),
  detail: detailOf(error),
});

const isRefusalOfData = (sqlState: string): boolean =>
  sqlState.startsWith('22') || sqlState.startsWith('23') || sqlState.startsWith('54');

/**
 * A failure of a statement that was sent, with autocommit (or the COMMIT of a transaction).
 *
 * An ErrorResponse means that the transaction was rolled back, with one exception: FATAL and PANIC
 * end the session, and whether they struck before or after the commit cannot be told from outside.
 * Everything that is no answer of the database (a lost connection, a read that timed out) leaves
 * the outcome unknown.
 */
export const failureAfterSend = (error: unknown): StoreFailure => {
  const detail = detailOf(error);
  const code = codeOf(error);
  const severity = textOf((error as ErrorLike | null)?.severity);
  if (severity === null || code === null) {
    // pg's words for a statement that it never sent.
    const neverSent = detail.endsWith('is not queryable');
    return { kind: neverSent ? 'unavailable' : 'unknown', code, detail };
  }
  if (severity !== 'ERROR') return { kind: 'unknown', code, detail };
  return { kind: isRefusalOfData(code) ? 'rejected' : 'unavailable', code, detail };
};

/** The exception that stands for a failure where the operation has no reply union. */
export const exceptionOf = (failure: StoreFailure): StoreUnavailable | StoreRejected =>
  failure.kind === 'rejected' ? new StoreRejected(failure) : new StoreUnavailable(failure);
