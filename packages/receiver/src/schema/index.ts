/** Any schema of Zod, Valibot, ArkType and others, by https://standardschema.dev. */
export type StandardSchema<Output = unknown> = {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Result<Output> | Promise<Result<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
};

type Result<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] };

type Issue = {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
};

export type Checked<Output> =
  | { readonly ok: true; readonly data: Output }
  | {
      readonly ok: false;
      readonly code: 'bad_json' | 'schema_mismatch';
      readonly message: string;
      /** Where in the body, as `items.0.id`. */
      readonly field?: string;
    };

/**
 * Checks a body against a schema: JSON as what it says, anything else (XML, forms, binary, by the
 * content type) as its bytes. Without a content type it counts as JSON.
 */
export const checkBody = async <Output>(
  schema: StandardSchema<Output>,
  body: Uint8Array,
  contentType: string,
): Promise<Checked<Output>> => {
  let value: unknown = body;
  if (isJson(contentType))
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    } catch {
      return { ok: false, code: 'bad_json', message: 'The body is not JSON.' };
    }
  const result = await schema['~standard'].validate(value);
  if (!result.issues) return { ok: true, data: result.value };
  const { message = 'The body is not what is expected.', path = [] } = result.issues[0] ?? {};
  const field = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
  return { ok: false, code: 'schema_mismatch', message, ...(field === '' ? {} : { field }) };
};

const isJson = (contentType: string): boolean => {
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return type === '' || type === 'application/json' || type === 'text/json' || type.endsWith('+json');
};
