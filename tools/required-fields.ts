// What clients of the Svix API rely on: the fields that its description requires of each answer, as
// packages/server/test/api/required-fields.json. Facts only: no sentence of the description is kept.
//
//   node tools/required-fields.ts lib-openapi.json > packages/server/test/api/required-fields.json
import { readFileSync } from 'node:fs';
import { leftOut } from '../packages/server/src/api/left-out.ts';

type Schema = {
  readonly $ref?: string;
  readonly type?: string;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
};
type Operation = {
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> }>
  >;
};
type Reference = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
};

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error('Name the OpenAPI document of the Svix API.');
const { paths, components } = JSON.parse(readFileSync(path, 'utf8')) as Reference;

const without = new Set(
  leftOut.flatMap(({ operations }) =>
    operations.flatMap((operation) => {
      const [at = '', ...methods] = operation.split(' ').toReversed();
      return methods.map((method) => `${method} ${at}`);
    }),
  ),
);

/** Name of a shape → required field → the shape that it must have, `''` where any will do. */
const shapes: Record<string, Record<string, string>> = {};

const nameOf = (schema: Schema): string => {
  if (schema.items !== undefined) {
    const item = nameOf(schema.items);
    return item === '' ? '' : `${item}[]`;
  }
  if (schema.$ref === undefined) return '';
  const name = schema.$ref.split('/').at(-1)!;
  const target = components.schemas[name]!;
  if (target.required === undefined || target.required.length === 0) return '';
  if (!(name in shapes)) {
    shapes[name] = {};
    for (const field of target.required.toSorted())
      shapes[name][field] = nameOf(target.properties?.[field] ?? {});
  }
  return name;
};

const operations: Record<string, string> = {};
for (const [at, item] of Object.entries(paths))
  for (const method of METHODS) {
    const operation = item[method];
    const name = `${method.toUpperCase()} ${at}`;
    if (operation === undefined || without.has(name)) continue;
    const answer = Object.entries(operation.responses).find(([status]) => status.startsWith('2'))?.[1];
    const schema = Object.values(answer?.content ?? {})[0]?.schema;
    operations[name] = schema === undefined ? '' : nameOf(schema);
  }
process.stdout.write(`${JSON.stringify({ operations, shapes }, null, 1)}\n`);
