import { createHmac } from 'node:crypto';
import { readConfig } from '../config.ts';
import { readDevSecrets } from './dev-secrets.ts';
import type { Flags } from './program.ts';

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/**
 * A token (RFC 7519, HS256) that says only what it must. One for an organisation that names nothing but it and never
 * ends is half as long as one with dates: people copy it from a terminal.
 */
export const signToken = (
  secret: string | Uint8Array,
  claims: { readonly sub: string; readonly iat?: number; readonly exp?: number },
): string => {
  const signed = `${encode({ alg: 'HS256' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
};

export const OPERATOR = 'operator';
/** Of a token that is made for one question: whoever is asked sees it. */
const ASKING_SECONDS = 60;

/** A token for whoever runs the server: good for `/api/v1/admin`, and for no tenant's data. */
export const operatorToken = (
  secret: string | Uint8Array,
  nowMs: number,
  lifetimeSeconds = ASKING_SECONDS,
): string => {
  const iat = Math.floor(nowMs / 1000);
  return signToken(secret, { sub: OPERATOR, iat, exp: iat + lifetimeSeconds });
};

/**
 * One for the server that is asked, signed with the secret of this shell's settings, or of this machine's
 * `posthorn dev`; null: there is no secret at hand.
 */
export const operatorTokenFor = async (asked: {
  readonly flags: Flags;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isOfThisMachine: boolean;
  readonly dataDir: string;
  readonly nowMs: number;
}): Promise<string | null> => {
  const read = readConfig({ flags: { config: asked.flags['config'] }, env: asked.env });
  const named = read.kind === 'ok' ? read.config.jwtSecret : null;
  const ofDev = named === null && asked.isOfThisMachine ? await readDevSecrets(asked.dataDir) : null;
  const secret = named ?? ofDev?.jwtSecret ?? null;
  return secret === null ? null : operatorToken(secret, asked.nowMs);
};
