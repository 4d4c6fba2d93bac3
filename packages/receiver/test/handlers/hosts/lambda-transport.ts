// What aws-lambda-ric has in C++: the calls of the runtime API.
const root = `http://${process.env['AWS_LAMBDA_RUNTIME_API'] ?? ''}/2018-06-01/runtime/invocation`;

const post = (path: string, body: string): void => {
  void fetch(`${root}/${path}`, { method: 'POST', body });
};

export const initialize = (): void => undefined;
export const next = async (): Promise<{ bodyJson: string; headers: Record<string, string> }> => {
  const response = await fetch(`${root}/next`);
  return { bodyJson: await response.text(), headers: Object.fromEntries(response.headers) };
};
export const done = (id: string, body: string): void => post(`${id}/response`, body);
export const error = (id: string, body: string): void => post(`${id}/error`, body);
