import type { SigningKey } from '../domain/configuration.ts';
import type { RetryPolicy } from '../domain/policy.ts';
import { invalid } from './answers.ts';
import type { Refusal } from './answers.ts';
import type { EndpointIn, EndpointPatch } from './endpoint-shapes.ts';
import { headerProblem, headerSetProblem } from './header-rules.ts';
import type { ApiDeps } from './port.ts';
import type { EndpointFields, HeaderMap } from './records.ts';
import { parseSecret } from './secrets.ts';

/** What a request wants of an endpoint, checked; only what it mentions. */
export type EndpointWish = {
  readonly changes: Partial<EndpointFields>;
  readonly key: SigningKey | null;
};

export type Checked<Value> = { readonly value: Value } | Refusal;

const firstGiven = <Value>(
  first: Value | null | undefined,
  second: Value | null | undefined,
): Value | null | undefined => (first === undefined ? second : first);

/** Drops what is undefined, so that a change never overwrites with nothing. */
const given = <Fields extends object>(fields: {
  readonly [Key in keyof Fields]: Fields[Key] | undefined;
}): Partial<Fields> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<Fields>;

const checkUrl = (deps: ApiDeps, url: URL | null | undefined): Refusal | null => {
  if (url === null || url === undefined) return null;
  const problem = deps.checkEndpointUrl(url);
  return problem === null ? null : invalid(['body', 'url'], problem);
};

const checkPolicy = (deps: ApiDeps, input: unknown): Checked<RetryPolicy | null | undefined> => {
  if (input === undefined || input === null) return { value: input };
  const result = deps.parseRetryPolicy(input);
  return result.ok ? { value: result.policy } : invalid(['body', 'retryPolicy'], result.message);
};

const checkSecret = (secret: string | null | undefined): Checked<SigningKey | null> => {
  if (secret === null || secret === undefined) return { value: null };
  const reading = parseSecret(secret);
  return reading.kind === 'key'
    ? { value: reading.key }
    : invalid(['body', 'secret', '__all__'], reading.why);
};

/** Those of some event types that do not exist. */
type MissingOf = (names: readonly string[]) => Promise<readonly string[]>;

const checkEventTypes = async (
  missingOf: MissingOf,
  names: readonly string[] | null | undefined,
): Promise<Refusal | null> => {
  if (names === null || names === undefined) return null;
  const missing = await missingOf(names);
  return missing.length === 0
    ? null
    : invalid(
        ['body', 'eventTypes'],
        `The following event types do not exist: ${missing.slice(0, 10).join(', ')}. Create them first.`,
      );
};

/** Checks what the shape alone cannot: the URL, the secret, the policy, and that event types exist. */
export const checkEndpoint = async (
  deps: ApiDeps,
  orgId: string,
  body: EndpointIn | EndpointPatch,
  missingOf: MissingOf = (names) => deps.store.eventTypes.missing(orgId, names),
): Promise<Checked<EndpointWish>> => {
  const badUrl = checkUrl(deps, body.url);
  if (badUrl !== null) return badUrl;
  const policy = checkPolicy(deps, body.retryPolicy);
  if ('kind' in policy) return policy;
  const key = checkSecret(body.secret);
  if ('kind' in key) return key;
  const eventTypes = firstGiven(body.eventTypes, body.filterTypes);
  const missing = await checkEventTypes(missingOf, eventTypes);
  if (missing !== null) return missing;
  const changes = given<EndpointFields>({
    uid: body.uid,
    url: body.url?.href,
    description: body.description,
    rateLimit: firstGiven(body.throttleRate, body.rateLimit),
    version: body.version ?? undefined,
    disabled: body.disabled,
    eventTypes,
    channels: body.channels,
    metadata: body.metadata === null ? {} : body.metadata,
    ownerEmail: body.ownerEmail,
    retryPolicy: policy.value,
    fifo: body.fifo,
    poisonPolicy: body.poisonPolicy,
  });
  return { value: { changes, key: key.value } };
};

/** All fields: what was not mentioned is as on a new endpoint. */
export const completeEndpoint = (changes: Partial<EndpointFields>): EndpointFields | Refusal => {
  const { url } = changes;
  if (url === undefined) return invalid(['body', 'url'], 'missing field `url`', 'value_error.jsondecode');
  return {
    uid: null,
    description: '',
    rateLimit: null,
    version: 1,
    disabled: false,
    eventTypes: null,
    channels: null,
    metadata: {},
    ownerEmail: null,
    retryPolicy: null,
    fifo: false,
    poisonPolicy: 'skip',
    ...changes,
    url,
  };
};

/** Checks custom headers; `null` values remove one. */
export const checkHeaders = (headers: Readonly<Record<string, string | null>>): Refusal | null => {
  for (const [name, value] of Object.entries(headers)) {
    const problem = headerProblem(name, value ?? '');
    if (problem !== null) return invalid(['body', 'headers', name], problem);
  }
  return null;
};

export const checkHeaderSet = (headers: HeaderMap): Refusal | null => {
  const problem = headerSetProblem(headers);
  return problem === null ? null : invalid(['body', 'headers', '__all__'], problem);
};
