import { createHash } from 'node:crypto';
import { badRequest, conflict, invalid } from './answers.ts';
import type { Answer } from './answers.ts';
import type { ApiDeps, IdempotencyEntry } from './port.ts';

/**
 * How an operation takes a repeated request. `stored`: the first answer is kept and given again.
 * `again`: the answer holds a secret, so it is made again and only the request is remembered.
 */
export type Repeat = 'stored' | 'again';

/** Longer than any request of the API may take: whoever holds a key beyond this has died. */
const LEASE_MS = 15_000;
const KEEP_MS = 24 * 3600 * 1000;
const WAIT_MS = 5000;
const POLL_MS = 50;
const VISIBLE = /^[\x21-\x7e]{1,255}$/;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const isSuccess = (answer: Answer): answer is Exclude<Answer, { kind: 'refused' | 'invalid' }> =>
  answer.kind === 'json' || answer.kind === 'rendered' || answer.kind === 'empty';

const encoder = new TextEncoder();

const bytesOf = (answer: Answer): Uint8Array | null => {
  switch (answer.kind) {
    case 'json':
      return encoder.encode(JSON.stringify(answer.value));
    case 'rendered':
      return answer.bytes;
    default:
      return null;
  }
};

const stored = (status: number, body: Uint8Array<ArrayBuffer> | null): Answer =>
  body === null || body.length === 0
    ? { kind: 'empty', status: 204 }
    : { kind: 'rendered', status, bytes: body };

/** The same request under way elsewhere is waited for, then it is a 409. */
const claim = async (
  deps: ApiDeps,
  entry: IdempotencyEntry,
  repeat: Repeat,
): Promise<Answer | 'mine' | 'again'> => {
  const deadline = deps.clock.monotonicMs() + WAIT_MS;
  for (;;) {
    const begun = await deps.store.idempotency.begin(entry, LEASE_MS, KEEP_MS);
    switch (begun.kind) {
      case 'mine':
        return 'mine';
      case 'done':
        return repeat === 'again' ? 'again' : stored(begun.status, begun.body);
      case 'other_request':
        return invalid(
          ['header', 'idempotency-key'],
          'This key was used for another request. Use a new key for a new request.',
        );
      case 'busy':
        if (deps.clock.monotonicMs() >= deadline) {
          return conflict(
            'A request with this idempotency key is still being worked on. Try again in a moment.',
            'idempotency_in_flight',
          );
        }
        await deps.sleep(POLL_MS);
        break;
      default:
        return begun satisfies never;
    }
  }
};

/**
 * Runs a POST at most once per key, subject and route. Only successes are remembered: a request
 * that was turned down may be sent again, corrected, under the same key.
 */
export const once = async (
  deps: ApiDeps,
  request: {
    readonly key: string | null;
    readonly subject: string;
    readonly route: string;
    readonly body: Uint8Array;
    readonly repeat: Repeat;
  },
  work: (isRepeated: boolean) => Promise<Answer>,
): Promise<Answer> => {
  const { key, repeat } = request;
  if (key === null) return work(false);
  if (!VISIBLE.test(key)) {
    return badRequest(
      'The idempotency-key header must be 1 to 255 visible ASCII characters.',
      'invalid_idempotency_key',
    );
  }
  const entry: IdempotencyEntry = {
    scope: `${request.subject} POST ${request.route}`,
    key,
    requestHash: sha256(request.body),
  };
  const claimed = await claim(deps, entry, repeat);
  if (claimed === 'again') return work(true);
  if (claimed !== 'mine') return claimed;
  let answer: Answer;
  try {
    answer = await work(false);
  } catch (error) {
    // What failed is told to the caller; that the key could not be freed (the database is away,
    // too) only makes a repetition wait for the lease.
    await deps.store.idempotency.release(entry).catch(deps.report);
    throw error;
  }
  if (isSuccess(answer)) {
    const status = answer.status;
    await deps.store.idempotency.finish(entry, status, repeat === 'again' ? null : bytesOf(answer));
  } else await deps.store.idempotency.release(entry);
  return answer;
};
