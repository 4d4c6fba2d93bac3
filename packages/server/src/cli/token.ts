import type { Flags } from './program.ts';

/** Longer than anybody is on call. */
const OPERATOR_SECONDS = 28 * 24 * 3600;
const LONGEST_SECONDS = 100 * 365 * 24 * 3600;

export type TokenWish = {
  /** null: an operator's. */
  readonly of: { readonly orgId: string; readonly applicationId: string | null } | null;
  /** Undefined: as long as such tokens usually last. */
  readonly lifetimeSeconds: number | undefined;
};

export type TokenWishResult =
  | { readonly kind: 'ok'; readonly wish: TokenWish }
  | { readonly kind: 'refused'; readonly problem: string };

const idOf = (prefix: string): RegExp => new RegExp(`^${prefix}[A-Za-z0-9\\-_.]{1,256}$`);

const refused = (problem: string): TokenWishResult => ({ kind: 'refused', problem });

/** What the flags of `posthorn token create` ask for; ids are taken as the server will take them. */
export const readTokenWish = (flags: Flags, defaultOrgId: string): TokenWishResult => {
  const { org, app, expires } = flags;
  const orgId = org === undefined ? defaultOrgId : String(org);
  const applicationId = app === undefined ? null : String(app);
  const lifetimeSeconds = expires === undefined ? undefined : Number(expires);
  if (!idOf('org_').test(orgId))
    return refused('--org must look like org_… (letters, digits, "-", "_", ".")');
  if (applicationId !== null && !idOf('app_').test(applicationId)) {
    return refused('--app must be an application id, app_… (its uid is not enough)');
  }
  if (lifetimeSeconds !== undefined && !(lifetimeSeconds > 0 && lifetimeSeconds <= LONGEST_SECONDS)) {
    return refused('--expires must be a number of seconds above 0, at most a century');
  }
  const isOperator = flags['operator'] === true;
  if (isOperator && (org !== undefined || app !== undefined))
    return refused('--operator is nobody’s token: leave out --org and --app');
  return {
    kind: 'ok',
    wish: isOperator
      ? { of: null, lifetimeSeconds: lifetimeSeconds ?? OPERATOR_SECONDS }
      : { of: { orgId, applicationId }, lifetimeSeconds },
  };
};
