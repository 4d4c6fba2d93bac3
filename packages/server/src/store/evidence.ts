import { type AttemptReport, type HeaderLines, type HeaderPair, headerPairs } from '../domain/attempt.ts';

const NO_PHASES = { dnsMs: null, connectMs: null, tlsMs: null, firstByteMs: null };

const member = (name: string, value: number | null): string => (value === null ? '' : `"${name}":${value},`);

/**
 * Column `evidence` of an attempt, JSON text: headers as sent and received, phases, peer, size of the body.
 * It is written for every attempt and read for few, so it is put together by hand and leaves out what was
 * not reached, and the result where it is a plain response: that one is the column `response_status`.
 */
export const evidenceOf = ({
  result,
  phases,
  requestHeaders,
  responseHeaders,
  bodyBytes,
  peer,
}: AttemptReport): string => {
  const isPlain = result.kind === 'response' && result.retryAfter === null && result.bodyError === null;
  return (
    (isPlain ? '{' : `{"result":${JSON.stringify(result)},`) +
    '"phases":{' +
    member('dnsMs', phases.dnsMs) +
    member('connectMs', phases.connectMs) +
    member('tlsMs', phases.tlsMs) +
    member('firstByteMs', phases.firstByteMs) +
    `"totalMs":${phases.totalMs}},"requestHeaders":${JSON.stringify(requestHeaders)},` +
    `"responseHeaders":${JSON.stringify(responseHeaders)},"bodyBytes":${bodyBytes},"peer":${JSON.stringify(peer)}}`
  );
};

type Stored = {
  readonly result?: unknown;
  readonly phases?: object;
  readonly requestHeaders?: HeaderLines;
  readonly responseHeaders?: HeaderLines;
};

/**
 * The evidence as it is shown: headers as pairs. What was lost with its node has a result only.
 *
 * @param responseStatus Of the attempt that it belongs to.
 */
export const readEvidence = (
  text: string | null,
  responseStatus: number,
  bodySha256: string | null,
): Readonly<Record<string, unknown>> | null => {
  if (text === null) return null;
  const { requestHeaders, responseHeaders, result, phases, ...rest } = JSON.parse(text) as Stored;
  if (requestHeaders === undefined || responseHeaders === undefined) return { result, ...rest };
  const headers: Record<string, HeaderPair[]> = {
    requestHeaders: headerPairs(requestHeaders),
    responseHeaders: headerPairs(responseHeaders),
  };
  const plain = { kind: 'response', status: responseStatus, retryAfter: null, bodyError: null };
  return { result: result ?? plain, phases: { ...NO_PHASES, ...phases }, ...rest, ...headers, bodySha256 };
};
