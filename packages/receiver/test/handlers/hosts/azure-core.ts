// What Azure's Node worker offers to programming models as @azure/functions-core.

type Metadata = { readonly name: string; readonly bindings: Readonly<Record<string, unknown>> };
type Http = {
  readonly statusCode: string;
  readonly headers: Record<string, string>;
  readonly body?: { readonly bytes?: Uint8Array; readonly string?: string };
};
type Invocation = {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], callback: unknown): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<{ returnValue: { http: Http } }>;
};
type Model = {
  getCapabilities(worker: object): Promise<object>;
  getInvocationModel(context: object): Invocation;
};

export const core: {
  model: Model | null;
  readonly functions: { readonly metadata: Metadata; readonly callback: unknown }[];
} = { model: null, functions: [] };

export const version = '1.0.0';
export const hostVersion = '4.0.0';
export const setProgrammingModel = (model: Model): void => {
  core.model = model;
};
export const registerFunction = (metadata: Metadata, callback: unknown): { dispose: () => void } => {
  core.functions.push({ metadata, callback });
  return { dispose: () => undefined };
};
export const log = (): void => undefined;
