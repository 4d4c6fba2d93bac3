import { html } from './html.ts';
import type { Html } from './html.ts';

/** A schema of the document, as far as it is shown. */
export type ShownSchema = {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly items?: ShownSchema;
  readonly properties?: Readonly<Record<string, ShownSchema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly ShownSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
};
export type Shapes = Readonly<Record<string, ShownSchema>>;

const nameOf = (ref: string): string => ref.split('/').at(-1) ?? '';

/** Behind a reference, and without the `null` that a field may also be. */
const solid = (schema: ShownSchema, shapes: Shapes): ShownSchema => {
  if (schema.$ref !== undefined) return solid(shapes[nameOf(schema.$ref)] ?? {}, shapes);
  const rest = schema.anyOf?.filter(({ type }) => type !== 'null') ?? [];
  return rest.length === 1 && rest[0] !== undefined ? solid(rest[0], shapes) : schema;
};

/** What a value may be, in a few words. */
export const typeOf = (schema: ShownSchema, shapes: Shapes): string => {
  if (schema.$ref !== undefined) return typeOf(shapes[nameOf(schema.$ref)] ?? {}, shapes);
  if (schema.anyOf !== undefined)
    return [...new Set(schema.anyOf.map((one) => typeOf(one, shapes)))].join(' or ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(', ');
  const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? ['anything']);
  return types
    .map((type) => {
      if (type === 'array') return `list of ${typeOf(schema.items ?? {}, shapes)}`;
      return type === 'string' && schema.format !== undefined ? schema.format : type;
    })
    .join(' or ');
};

const between = (min: number | undefined, max: number | undefined, unit: string): string[] => {
  if (min !== undefined && max !== undefined) return [`${min} to ${max}${unit}`];
  if (min !== undefined) return [`at least ${min}${unit}`];
  return max === undefined ? [] : [`at most ${max}${unit}`];
};

const limitsOf = (schema: ShownSchema): string =>
  [
    ...between(schema.minimum, schema.maximum, ''),
    ...between(schema.minLength, schema.maxLength, ' characters'),
    ...between(schema.minItems, schema.maxItems, ' items'),
    ...(schema.default === undefined ? [] : [`default ${JSON.stringify(schema.default)}`]),
  ].join(', ');

export type Field = {
  readonly name: string;
  readonly schema: ShownSchema;
  readonly required: boolean;
  readonly description?: string | undefined;
};

const DEEPEST = 3;

const fieldsOf = (schema: ShownSchema, shapes: Shapes, before: string, depth: number): Field[] => {
  const inner = solid(schema, shapes);
  if (inner.items !== undefined) return fieldsOf(inner.items, shapes, `${before}[]`, depth);
  if (depth > DEEPEST) return [];
  return Object.entries(inner.properties ?? {}).flatMap(([name, property]) => {
    const path = before === '' ? name : `${before}.${name}`;
    const required = inner.required?.includes(name) === true;
    return [{ name: path, schema: property, required }, ...fieldsOf(property, shapes, path, depth + 1)];
  });
};

/** Fields as rows: name, type, what more there is to say. */
export const fieldTable = (fields: readonly Field[], shapes: Shapes, caption: string): Html =>
  html`<table aria-label="${caption}">
    <thead>
      <tr>
        <th>Name</th>
        <th>Type</th>
        <th>About</th>
      </tr>
    </thead>
    <tbody>
      ${fields.map(({ name, schema, required, description }) => {
        const inner = solid(schema, shapes);
        const about = [description ?? schema.description ?? inner.description ?? '', limitsOf(inner)];
        return html`<tr>
          <td><code>${name}</code>${required ? html` <span class="needed">required</span>` : html``}</td>
          <td>${typeOf(schema, shapes)}</td>
          <td>${about.filter((text) => text !== '').join('; ')}</td>
        </tr>`;
      })}
    </tbody>
  </table>`;

/** All fields of a body, inner ones by their path. */
export const bodyFields = (schema: ShownSchema, shapes: Shapes): readonly Field[] =>
  fieldsOf(schema, shapes, '', 1);
