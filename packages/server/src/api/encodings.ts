import { refuseRequest, unsupportedEncoding } from './http-errors.ts';
import type { Route } from './listen.ts';

/** Compressed bodies are refused before a byte of them is read: a few of them are gigabytes. */
export const refuseEncodings: Route = (request, response) => {
  const encoding = request.headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity' || !request.url?.startsWith('/api/')) return false;
  refuseRequest(response, unsupportedEncoding);
  return true;
};
