import { makeAuthority } from '../../../tools/zoo/authority.ts';

const made = makeAuthority('Posthorn test authority', Date.now());
const good = made.leaf();
const other = made.leaf({ hosts: ['other.example'] });

/** Certificates for tests only, made on the spot: an authority, a leaf for localhost and 127.0.0.1, one for other.example. */
export const authority = made.certificate;
export const goodLeaf = good.cert;
export const leafKey = good.key;
export const otherTls = { key: other.key, cert: other.cert };
