import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** A request that is refused before any route sees it. */
export type HttpError = {
  readonly status: number;
  readonly reason: string;
  readonly code: string;
  readonly detail: string;
};

const error = (status: number, reason: string, code: string, detail: string): HttpError => ({
  status,
  reason,
  code,
  detail,
});

export const badRequest = error(400, 'Bad Request', 'bad_request', 'The request is not valid HTTP/1.1.');
export const noTunnel = error(405, 'Method Not Allowed', 'method_not_allowed', 'This server is no proxy.');
export const requestTimeout = error(
  408,
  'Request Timeout',
  'request_timeout',
  'The request did not arrive in time.',
);
export const servesNoApi = error(
  404,
  'Not Found',
  'no_api_here',
  'This node only delivers (POSTHORN_ROLE=worker). Ask one with role api or all.',
);
export const unsupportedEncoding = error(
  415,
  'Unsupported Media Type',
  'unsupported_encoding',
  'Bodies are taken as they are. Send this one without Content-Encoding.',
);
export const expectationFailed = error(
  417,
  'Expectation Failed',
  'expectation_failed',
  'The only expectation that this server meets is 100-continue.',
);
export const headersTooLarge = error(
  431,
  'Request Header Fields Too Large',
  'headers_too_large',
  'The request line and the headers are too large.',
);
export const loopDetected = error(
  508,
  'Loop Detected',
  'loop_detected',
  'This is a delivery of this very installation: the endpoint’s URL leads back here. Choose another.',
);
export const internalError = error(
  500,
  'Internal Server Error',
  'internal_error',
  'Something went wrong here.',
);

/** The refusal of what the HTTP parser gave up on. */
export const errorOfParser = (code: string | undefined): HttpError => {
  if (code === 'HPE_HEADER_OVERFLOW') return headersTooLarge;
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? requestTimeout : badRequest;
};

const bodyOf = ({ code, detail }: HttpError): string => JSON.stringify({ code, detail });

/** As a response of the Fetch API. */
export const errorResponse = (refusal: HttpError): Response =>
  new Response(bodyOf(refusal), {
    status: refusal.status,
    headers: { 'content-type': 'application/json' },
  });

/** As the answer to a request that was understood so far. Closes the connection. */
export const refuseRequest = (response: ServerResponse, refusal: HttpError): void => {
  const body = bodyOf(refusal);
  response.writeHead(refusal.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  });
  response.end(body);
};

/** As the last bytes of a connection that no longer has a parser. */
export const refuseSocket = (socket: Duplex, refusal: HttpError): void => {
  if (!socket.writable) return void socket.destroy();
  const body = bodyOf(refusal);
  socket.end(
    `HTTP/1.1 ${refusal.status} ${refusal.reason}\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
};
