/** A schema of a rendered OpenAPI document, as far as examples are found in it. */
type Schema = {
  readonly $ref?: string;
  readonly example?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
};

type Media = { schema?: Schema; example?: unknown };
type Contents = { readonly content?: Readonly<Record<string, Media>> };
type DocumentedOperation = {
  readonly operationId?: string;
  readonly tags?: readonly string[];
  readonly requestBody?: Contents;
  readonly responses?: Readonly<Record<string, Contents>>;
};
type PathItem = Readonly<Record<string, DocumentedOperation>>;

export type DocumentWithExamples = {
  readonly paths?: Readonly<Record<string, PathItem>>;
  readonly webhooks?: Readonly<Record<string, PathItem>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> };
};

const REF = '#/components/schemas/';

type Found = { readonly value: unknown } | null;

const objectOf = (schema: Schema, find: (inner: Schema) => Found): Found => {
  const found: [string, unknown][] = [];
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const example = find(property);
    if (example !== null) found.push([name, example.value]);
    else if (schema.required?.includes(name) === true) return null;
  }
  return { value: Object.fromEntries(found) };
};

/**
 * The example of a schema: its own, or put together from those of its parts. null where a part that is
 * required has none; numbers and texts say nothing by themselves, so they are not invented.
 */
const exampleOf = (schema: Schema, schemas: Readonly<Record<string, Schema>>): Found => {
  const find = (inner: Schema): Found => exampleOf(inner, schemas);
  if (schema.example !== undefined) return { value: schema.example };
  if (schema.$ref !== undefined) {
    const target = schemas[schema.$ref.slice(REF.length)];
    return target === undefined ? null : find(target);
  }
  if (schema.const !== undefined) return { value: schema.const };
  if (schema.enum !== undefined) return { value: schema.enum[0] };
  if (schema.anyOf !== undefined) return schema.anyOf.map(find).find((found) => found !== null) ?? null;
  if (schema.allOf !== undefined) {
    const parts = schema.allOf.map(find);
    return parts.includes(null) ? null : { value: Object.assign({}, ...parts.map((part) => part?.value)) };
  }
  const isOf = (type: string): boolean => schema.type === type || schema.type?.includes(type) === true;
  if (isOf('object')) return objectOf(schema, find);
  if (isOf('array')) {
    const item = schema.items === undefined ? null : find(schema.items);
    return item === null ? null : { value: [item.value] };
  }
  if (isOf('boolean')) return { value: true };
  return isOf('null') ? { value: null } : null;
};

/** Gives every body of a document an example: the operation's own, or the one of its schema. */
export const fillExamples = (document: DocumentWithExamples): void => {
  const schemas = document.components?.schemas ?? {};
  const items = [...Object.values(document.paths ?? {}), ...Object.values(document.webhooks ?? {})];
  for (const operation of items.flatMap((item) => Object.values(item))) {
    const bodies = [operation.requestBody ?? {}, ...Object.values(operation.responses ?? {})];
    for (const media of bodies.flatMap(({ content }) => Object.values(content ?? {}))) {
      const found = media.schema === undefined ? null : exampleOf(media.schema, schemas);
      if (media.example === undefined && found !== null) media.example = found.value;
    }
  }
};
