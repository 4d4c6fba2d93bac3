import { type AttemptReport, type HeaderLines, type HeaderPair, headerPairs } from '../domain/attempt.ts';

/** Column `evidence` of an attempt, JSON text: headers as sent and received, phases, peer, size of the body. */
export const evidenceOf = (report: AttemptReport): string =>
  JSON.stringify({
    result: report.result,
    phases: report.phases,
    requestHeaders: report.requestHeaders,
    responseHeaders: report.responseHeaders,
    bodyBytes: report.bodyBytes,
    peer: report.peer,
  });

type Stored = { readonly requestHeaders?: HeaderLines; readonly responseHeaders?: HeaderLines };

/** The evidence as it is shown: headers as pairs. What was lost with its node has a result only. */
export const readEvidence = (
  text: string | null,
  bodySha256: string | null,
): Readonly<Record<string, unknown>> | null => {
  if (text === null) return null;
  const { requestHeaders, responseHeaders, ...rest } = JSON.parse(text) as Stored;
  if (requestHeaders === undefined || responseHeaders === undefined) return rest;
  const headers: Record<string, HeaderPair[]> = {
    requestHeaders: headerPairs(requestHeaders),
    responseHeaders: headerPairs(responseHeaders),
  };
  return { ...rest, ...headers, bodySha256 };
};
