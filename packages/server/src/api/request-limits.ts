import type { IncomingMessage, ServerResponse } from 'node:http';
import { discard } from '../ingest/body.ts';
import { isIdOrUid } from './fields.ts';
import type { Route } from './listen.ts';
import { createRateLimiter, type RateLimiter, type Standing } from './rate-limiter.ts';
import type { Authenticator, Principal } from './tokens.ts';

/** What may be limited, each a second; null: not limited. */
export type RequestLimitSettings = {
  /** Requests by one token of an organisation. */
  readonly token: number | null;
  /** Messages to one application, whoever posts them. */
  readonly application: number | null;
  /** Requests by one token of an application. */
  readonly consumer: number | null;
};

type LimitName = keyof RequestLimitSettings;

export type RequestLimits = {
  /** Something is limited. */
  readonly isOn: boolean;
  /** Refuses what is too much with a 429; says on every answer how the limits stand. */
  readonly route: Route;
  /** A request brought so many messages: all but its first, which was taken with it, are owed. */
  readonly charge: (request: IncomingMessage, response: ServerResponse, messages: number) => void;
};

const API = '/api/v1/';
const MESSAGES = /^\/api\/v1\/app\/([^/?]+)\/msg(?:\/batch)?\/?(?:\?|$)/;
const units: Readonly<Record<LimitName, string>> = {
  token: 'requests',
  application: 'messages',
  consumer: 'requests',
};
const KNOWN_NAMES = 10_000;
const NAME_MS = 60_000;

type Counted = { readonly limit: LimitName; readonly caller: string };
type Stood = Counted & Standing;

/**
 * `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10: the quota of each window, what
 * remains of it, and the seconds until it is whole again.
 */
const fieldsOf = (standings: readonly Stood[], perSecondOf: (limit: LimitName) => number) => ({
  'ratelimit-policy': standings
    .map(({ limit }) => {
      const perSecond = perSecondOf(limit);
      const unit = units[limit] === 'requests' ? '' : `;qu="${units[limit]}"`;
      return `"${limit}";q=${Math.max(1, Math.floor(perSecond))};w=${Math.ceil(Math.max(1, 1 / perSecond))}${unit}`;
    })
    .join(', '),
  ratelimit: standings
    .map(({ limit, remaining, resetMs }) => `"${limit}";r=${remaining};t=${Math.ceil(resetMs / 1000)}`)
    .join(', '),
});

/** A map that forgets what was put into it first. */
const createMemo = <Value>(most: number, keepMs: number) => {
  const known = new Map<string, { readonly value: Value; readonly untilMs: number }>();
  return {
    get: (key: string, nowMs: number): Value | undefined => {
      const entry = known.get(key);
      return entry !== undefined && entry.untilMs > nowMs ? entry.value : undefined;
    },
    set: (key: string, value: Value, nowMs: number): void => {
      known.delete(key);
      if (known.size >= most) {
        const first = known.keys().next();
        if (first.done !== true) known.delete(first.value);
      }
      known.set(key, { value, untilMs: nowMs + keepMs });
    },
  };
};

/**
 * Limits what producers and consumers ask for. Who is not known, or asks for anything but the API, is not
 * counted: that is refused, or answered, elsewhere.
 */
export const createRequestLimits = (deps: {
  readonly limits: RequestLimitSettings;
  readonly authenticator: Authenticator;
  /** The id of an application by id or uid; null: there is none. */
  readonly findApplication: (orgId: string, name: string) => Promise<string | null>;
  /** Nodes that answer, this one included: each allows its part of a limit. */
  readonly nodes: () => number;
  readonly monotonicMs: () => number;
  readonly onRefused: (limit: LimitName) => void;
}): RequestLimits => {
  const { limits, monotonicMs } = deps;
  const limiters = new Map<LimitName, RateLimiter>();
  for (const [limit, perSecond] of Object.entries(limits))
    if (perSecond !== null) limiters.set(limit as LimitName, createRateLimiter());
  const applications = createMemo<string>(KNOWN_NAMES, NAME_MS);
  /** What of a request may turn out to be more than one. */
  const counted = new WeakMap<IncomingMessage, readonly Stood[]>();

  const perSecondOf = (limit: LimitName): number => (limits[limit] ?? Infinity) / deps.nodes();

  const show = (response: ServerResponse, standings: readonly Stood[]): void => {
    for (const [name, value] of Object.entries(fieldsOf(standings, perSecondOf)))
      response.setHeader(name, value);
    response.setHeader('access-control-expose-headers', 'ratelimit, ratelimit-policy, retry-after');
  };

  const refuse = (request: IncomingMessage, response: ServerResponse, { limit, retryMs }: Stood): void => {
    deps.onRefused(limit);
    discard(request);
    const seconds = Math.max(1, Math.ceil(retryMs / 1000));
    const body = JSON.stringify({
      code: 'rate_limited',
      detail: `More than ${limits[limit] ?? 0} ${units[limit]} a second (limit "${limit}"); nothing was done; try again in ${seconds} s`,
    });
    response.writeHead(429, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'access-control-allow-origin': '*',
      'retry-after': String(seconds),
    });
    response.end(body);
  };

  /** Takes of each limit in turn, until one has nothing left. */
  const take = (request: IncomingMessage, response: ServerResponse, callers: readonly Counted[]): boolean => {
    const nowMs = monotonicMs();
    const standings: Stood[] = [];
    for (const each of callers) {
      const limiter = limiters.get(each.limit);
      if (limiter === undefined) continue;
      const stood = { ...each, ...limiter.take(each.caller, perSecondOf(each.limit), nowMs) };
      standings.push(stood);
      if (stood.isAllowed) continue;
      show(response, standings);
      refuse(request, response, stood);
      return true;
    }
    if (standings.length > 0) show(response, standings);
    if (standings.some(({ limit }) => limit === 'application')) counted.set(request, standings);
    return false;
  };

  /** One application has one count, by whichever of its names it is posted to. */
  const applicationOf = (orgId: string, name: string): string | Promise<string> => {
    const key = `${orgId} ${name}`;
    const known = applications.get(key, monotonicMs());
    if (known !== undefined) return known;
    return deps.findApplication(orgId, name).then(
      (id) => {
        if (id === null) return key;
        applications.set(key, id, monotonicMs());
        return id;
      },
      // The database is away: the request will hear of it.
      () => key,
    );
  };

  const decide = (
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
  ): boolean | Promise<boolean> => {
    if (principal.kind === 'operator') return false;
    if (principal.kind === 'app')
      return take(request, response, [{ limit: 'consumer', caller: principal.token.digest }]);
    const token: Counted = { limit: 'token', caller: principal.digest };
    const name = request.method === 'POST' ? MESSAGES.exec(request.url ?? '')?.[1] : undefined;
    if (limits.application === null || name === undefined || !isIdOrUid(name))
      return take(request, response, [token]);
    const caller = applicationOf(principal.orgId, name);
    const withApplication = (application: string): boolean =>
      take(request, response, [token, { limit: 'application', caller: application }]);
    return typeof caller === 'string' ? withApplication(caller) : caller.then(withApplication);
  };

  return {
    isOn: limiters.size > 0,
    route: (request, response) => {
      const { authorization } = request.headers;
      if (authorization === undefined) return false;
      if (request.url?.startsWith(API) !== true) return false;
      const known = deps.authenticator.cached(authorization);
      if (known !== undefined) return decide(request, response, known);
      return deps.authenticator
        .authenticate(authorization)
        .then((auth) => auth.kind === 'principal' && decide(request, response, auth.principal));
    },
    charge: (request, response, messages) => {
      const standings = counted.get(request);
      if (standings === undefined || messages < 2) return;
      const nowMs = monotonicMs();
      const after = standings.map((stood): Stood => {
        const { limit, caller } = stood;
        if (limit !== 'application') return stood;
        return {
          limit,
          caller,
          ...limiters.get(limit)!.owe(caller, messages - 1, perSecondOf(limit), nowMs),
        };
      });
      show(response, after);
    },
  };
};
