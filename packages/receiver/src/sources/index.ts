export type { Identity, Place } from '../place.ts';
export { apiKey, type ApiKeyOptions } from './api-key.ts';
export { basicAuth, type BasicUser } from './basic.ts';
export type { Jwk, JwtAlgorithm, JwtKeys } from './jwk.ts';
export { jwt, type JwtOptions } from './jwt.ts';
export { mtls, type MtlsOptions } from './mtls.ts';
