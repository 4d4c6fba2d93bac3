/** A call that the server refused or that did not reach it. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

/** Calls a server's API with a token; answers the JSON body, or null where there is none. Rejects with {@link ApiError}. */
export type ApiClient = (
  method: string,
  path: string,
  body?: unknown,
) => Promise<Record<string, unknown> | null>;

export const createApiClient =
  (url: string, token: string): ApiClient =>
  async (method, path, body) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new ApiError(response.status, `${method} ${path}: ${response.status} ${text}`);
    return text === '' ? null : (JSON.parse(text) as Record<string, unknown>);
  };
