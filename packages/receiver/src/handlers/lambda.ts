import { decodeBase64 } from '../bytes.ts';
import type { HeadersLike } from '../contract.ts';
import type { ReceiverOptions } from './options.ts';
import { type Receiver, receiverOf } from './receiver.ts';
import { type HttpRequest, readBefore } from './request.ts';

type One = { readonly [name: string]: string | undefined };
type Many = { readonly [name: string]: readonly string[] | undefined };

/** API Gateway with payload 1.0 or 2.0, a function URL (2.0), or an Application Load Balancer. */
export type LambdaEvent = {
  readonly body?: string | null | undefined;
  readonly isBase64Encoded?: boolean;
  readonly headers?: One | null;
  readonly multiValueHeaders?: Many | null | undefined;
  readonly requestContext?: {
    readonly path?: string;
    readonly domainName?: string | undefined;
    readonly identity?: { readonly sourceIp?: string };
    readonly http?: { readonly method: string; readonly sourceIp?: string };
  };
  /** 2.0 */
  readonly rawPath?: string;
  readonly rawQueryString?: string;
  /** 1.0 and the load balancer */
  readonly httpMethod?: string;
  readonly path?: string;
  readonly queryStringParameters?: One | null | undefined;
  readonly multiValueQueryStringParameters?: Many | null | undefined;
};

type LambdaContext = { getRemainingTimeInMillis(): number };

type LambdaResult = {
  statusCode: number;
  headers: Record<string, string>;
  multiValueHeaders?: Record<string, string[]>;
  body: string;
};

const REMEDY =
  'the gateway made text of a body that is none. Add the content type, or */*, to binaryMediaTypes of the API, ' +
  'so that it comes base64-encoded.';

/** A Lambda function behind API Gateway, a function URL or a load balancer: `export const handler = webhooks({ … })`. */
export const webhooks = <Data = undefined>(options: ReceiverOptions<Data> | Receiver) => {
  const receiver = receiverOf(options);
  return async (event: LambdaEvent, context?: LambdaContext): Promise<LambdaResult> => {
    const { status, headers, body } = await receiver.receive(requestOf(event, context));
    return {
      statusCode: status,
      headers: { ...headers },
      // A load balancer that sends these takes no others.
      ...(event.multiValueHeaders
        ? { multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, [v]])) }
        : {}),
      body,
    };
  };
};

const requestOf = (event: LambdaEvent, context?: LambdaContext): HttpRequest => {
  const { requestContext: { http, identity, path, domainName } = {}, isBase64Encoded, body } = event;
  const headers: HeadersLike = event.multiValueHeaders ?? event.headers ?? {};
  const peerAddress = http?.sourceIp ?? identity?.sourceIp;
  const text = body ?? '';
  // 1.0 leaves the stage out of `path`, and the sender did not.
  const url = (event.rawPath ?? path ?? event.path ?? '/') + queryOf(event);
  const remainingMs = context?.getRemainingTimeInMillis();
  return {
    method: http?.method ?? event.httpMethod ?? '',
    url: domainName === undefined ? url : `https://${domainName}${url}`,
    headers,
    ...(peerAddress === undefined ? {} : { peerAddress }),
    ...(remainingMs === undefined ? {} : { remainingMs }),
    read: readBefore(isBase64Encoded && text !== '' ? decodeBase64(text) : text, REMEDY),
  };
};

const queryOf = (event: LambdaEvent): string => {
  const { rawQueryString, multiValueQueryStringParameters, queryStringParameters } = event;
  const pairs = Object.entries(multiValueQueryStringParameters ?? queryStringParameters ?? {}).flatMap(
    ([name, values]) => [values ?? []].flat().map((value): [string, string] => [name, value]),
  );
  const query = rawQueryString ?? new URLSearchParams(pairs).toString();
  return query === '' ? '' : `?${query}`;
};
