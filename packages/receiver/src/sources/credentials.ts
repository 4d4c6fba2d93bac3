import { type Bytes, utf8 } from '../bytes.ts';
import type { IncomingRequest, Refused, Source, Verified } from '../contract.ts';
import { refuse } from '../errors.ts';
import { secretIndexOf } from '../keys.ts';
import { type Identity, identify } from '../place.ts';
import { foundIn } from '../secrets.ts';

/**
 * A source that compares one text of the request with the right ones.
 *
 * @throws TypeError at once when there is no right one or one is empty.
 */
export const credentialSource = (
  kind: string,
  expected: readonly string[],
  read: (request: IncomingRequest) => string | Refused | Promise<string | Refused>,
  options: Identity,
): Source => {
  const bad = expected.findIndex((text) => typeof text !== 'string' || text === '');
  if (expected.length === 0 || bad >= 0)
    throw new TypeError(
      `${kind}: expected at least one credential as text, found ${bad < 0 ? 'none' : `${foundIn(expected[bad])} as number ${bad + 1}`}. Pass what the sender sends.`,
    );
  const secrets = expected.map(utf8);
  return identified(kind, options, async (request) => {
    const given = await read(request);
    return typeof given === 'string' ? compared(utf8(given), secrets) : given;
  });
};

const compared = async (
  given: Bytes,
  secrets: readonly Bytes[],
): Promise<Refused | { secretIndex: number }> => {
  const secretIndex = await secretIndexOf(given, secrets);
  return secretIndex < 0
    ? refuse('bad_credentials', 'The credentials are not the ones that this receiver expects.')
    : { secretIndex };
};

/** Wraps a check into a source: what it accepts gets its id and type from the request. */
export const identified = (
  kind: string,
  options: Identity,
  check: (
    request: IncomingRequest,
  ) => Promise<Refused | Partial<Pick<Verified, 'secretIndex' | 'timestampMs'>>>,
): Source => ({
  name: options.name ?? kind,
  ...(options.retryWindowMs === undefined ? {} : { retryWindowMs: options.retryWindowMs }),
  check: async (request) => {
    const checked = await check(request);
    return 'ok' in checked
      ? checked
      : { ok: true, timestampMs: null, ...checked, ...identify(request, options) };
  },
});
