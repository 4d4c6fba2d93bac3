/** A request as it was captured: headers as they came, the body's bytes untouched. */
export type Captured = {
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Buffer;
};

const HEAD_END = /\r?\n\r?\n/;
const START_LINE = /^(?:[A-Z]+ \S+ HTTP\/\d|HTTP\/\d|[A-Z]+ \S+$)/;

const put = (headers: Record<string, string | string[]>, name: string, value: string): void => {
  const key = name.trim().toLowerCase();
  const before = headers[key];
  if (before === undefined) headers[key] = value.trim();
  else headers[key] = [...(Array.isArray(before) ? before : [before]), value.trim()];
};

/** `name: value` lines as headers; null when one of them is none. */
export const parseHeaders = (lines: readonly string[]): Record<string, string | string[]> | null => {
  const headers: Record<string, string | string[]> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon <= 0) return null;
    put(headers, line.slice(0, colon), line.slice(colon + 1));
  }
  return headers;
};

/**
 * A raw HTTP request: a start line (may be missing), headers, an empty line, and the body to the last
 * byte. null when it has no such head.
 */
export const parseCaptured = (bytes: Buffer): Captured | null => {
  const end = HEAD_END.exec(bytes.toString('latin1'));
  if (end === null) return null;
  const lines = bytes.subarray(0, end.index).toString('utf8').split(/\r?\n/);
  const headers = parseHeaders(START_LINE.test(lines[0] ?? '') ? lines.slice(1) : lines);
  if (headers === null || Object.keys(headers).length === 0) return null;
  return { headers, body: bytes.subarray(end.index + end[0].length) };
};
