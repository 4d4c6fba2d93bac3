import { decodeBase64 } from '../bytes.ts';
import type { Source } from '../contract.ts';
import { refuse } from '../errors.ts';
import { onlyHeader } from '../headers.ts';
import type { Identity } from '../place.ts';
import { foundIn } from '../secrets.ts';
import { credentialSource } from './credentials.ts';

export type BasicUser = { readonly user: string; readonly password: string };

/**
 * A sender with user name and password (RFC 7617, as UTF-8). Several may be given, to change one.
 *
 * @throws TypeError at once when there is none, one is empty, or a user name has a colon.
 */
export const basicAuth = (users: BasicUser | readonly BasicUser[], options: Identity = {}): Source => {
  const list = [users].flat() as readonly BasicUser[];
  for (const { user, password } of list)
    if (!user || !password || user.includes(':'))
      throw new TypeError(
        `basic: expected a user name without a colon and a password, found ${user ? (password ? 'a user name with a colon' : `${foundIn(password)} as the password`) : `${foundIn(user)} as the user name`}`,
      );
  return credentialSource(
    'basic',
    list.map(({ user, password }) => `${user}:${password}`),
    ({ headers }) => {
      const value = onlyHeader(headers, 'authorization');
      if (typeof value !== 'string') return value;
      const encoded = /^basic +(\S+)$/i.exec(value)?.[1];
      if (encoded === undefined)
        return refuse(
          'missing_credentials',
          'Send user name and password as Basic authentication.',
          'authorization',
        );
      const bytes = decodeBase64(encoded);
      return bytes === null
        ? refuse('bad_credentials', 'What follows Basic is not base64.', 'authorization')
        : new TextDecoder().decode(bytes);
    },
    options,
  );
};
