// The served OpenAPI document, walked: what tests generate themselves from.
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

export type Schema = Readonly<Record<string, unknown>>;
type Media = { readonly schema?: Schema; readonly example?: unknown };
type Contents = { readonly content?: Readonly<Record<string, Media>>; readonly description?: string };
export type Parameter = {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly description?: string;
  readonly example?: unknown;
  readonly schema: Schema;
};
type Described = {
  readonly operationId: string;
  /** The Svix API does not have it. */
  readonly 'x-posthorn'?: true;
  readonly summary?: string;
  readonly description?: string;
  readonly security?: readonly { readonly HTTPBearer: readonly string[] }[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Contents & { readonly required?: boolean };
  readonly responses: Readonly<Record<string, Contents>>;
};
export type Document = {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly webhooks: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
  readonly tags: readonly { readonly name: string; readonly description?: string }[];
};

export type Operation = Described & { readonly method: string; readonly path: string };

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

const listed = (items: Document['paths']): Operation[] =>
  Object.entries(items).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const described = item[method];
      return described === undefined ? [] : [{ ...described, method: method.toUpperCase(), path }];
    }),
  );

/** @param ask Gets a path of the server. */
export const readDocument = async (
  ask: (path: string) => Promise<{ readonly body: unknown }>,
): Promise<Document> => (await ask('/api/v1/openapi.json')).body as Document;

export const operationsOf = (document: Document): Operation[] => listed(document.paths);
export const webhooksOf = (document: Document): Operation[] => listed(document.webhooks);

const RANK = ['GET', 'PATCH', 'PUT', 'POST', 'DELETE'];
const depth = ({ path }: Operation): number => path.split('/').length;
const rank = ({ method }: Operation): number => RANK.indexOf(method);

/** Reads, then writes, then what takes away; the deepest first, because a deletion takes along what is below. */
export const inOrder = (operations: readonly Operation[]): Operation[] =>
  operations.toSorted(
    (a, b) => rank(a) - rank(b) || depth(b) - depth(a) || (a.operationId < b.operationId ? -1 : 1),
  );

/** Whose tokens are good for an operation. */
export const rolesOf = ({ security = [] }: Operation): readonly string[] =>
  security.flatMap(({ HTTPBearer }) => HTTPBearer);

const DAY_MS = 86_400_000;

/** A query with what must be in it, as text from `?` on; empty where nothing must. */
export const neededQuery = ({ parameters = [] }: Operation): string => {
  const nowMs = Date.now();
  const times: Readonly<Record<string, number>> = { since: nowMs - DAY_MS, until: nowMs };
  const needed = parameters
    .filter((one) => one.in === 'query' && one.required === true)
    .map(({ name, example }): [string, string] => [
      name,
      name in times ? new Date(times[name]!).toISOString() : String(example),
    ]);
  return needed.length === 0 ? '' : `?${new URLSearchParams(needed).toString()}`;
};

export const mediaOf = (contents: Contents | undefined): Media | undefined =>
  Object.values(contents?.content ?? {})[0];

/** Checks values against schemas of the document. */
export const createValidator = (document: Document) => {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema({ $id: 'document', components: document.components });
  const compiled = new Map<Schema, ValidateFunction>();
  /** What is wrong with the value, or null. */
  return (schema: Schema, value: unknown): string | null => {
    let validate = compiled.get(schema);
    if (validate === undefined) {
      const text = JSON.stringify(schema).replaceAll('"#/components/', '"document#/components/');
      validate = ajv.compile(JSON.parse(text) as Schema);
      compiled.set(schema, validate);
    }
    return validate(value) ? null : ajv.errorsText(validate.errors);
  };
};
