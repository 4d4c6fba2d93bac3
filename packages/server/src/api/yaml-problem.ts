/** What the YAML parser calls what it met, in words for whoever wrote the document. */
const words: Readonly<Record<string, string>> = {
  ALIAS_PROPS: 'an alias (*name) has an anchor or a tag of its own',
  BAD_ALIAS: 'an alias (*name) has no name',
  BAD_COLLECTION_TYPE: 'a tag does not fit what it stands before',
  BAD_DIRECTIVE: 'a line that begins with % is no directive of YAML 1.2',
  BAD_DQ_ESCAPE: 'there is no such escape in double quotes; write \\\\ for a backslash, or use single quotes',
  BAD_INDENT: 'a list or a map in brackets must go on further to the right, and be closed',
  BAD_PROP_ORDER: 'an anchor or a tag stands in the wrong place',
  BAD_SCALAR_START: 'a value cannot begin with this character; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'a second ":" in one line; put the value in quotes, or the map into lines of its own',
  BLOCK_IN_FLOW: 'a list or a map by indentation cannot stand inside brackets',
  DUPLICATE_KEY: 'a key comes twice in its map',
  KEY_OVER_1024_CHARS: 'a key is longer than 1024 characters; is a ":" too many or a line break missing?',
  MISSING_CHAR: 'a quote, a bracket or a ":" is missing',
  MULTILINE_IMPLICIT_KEY: 'a key goes over several lines; is the indentation right, or a ":" missing?',
  MULTIPLE_ANCHORS: 'a value has two anchors',
  MULTIPLE_DOCS: 'a second document begins here (---); send one',
  MULTIPLE_TAGS: 'a value has two tags',
  NON_STRING_KEY: 'a key is no text',
  RESOURCE_EXHAUSTION: 'it nests too deep',
  TAB_AS_INDENT: 'a tab indents; use spaces',
  TAG_RESOLVE_FAILED: 'a tag (!name) does not fit its value',
  UNEXPECTED_TOKEN: 'something stands where nothing may follow',
};

type Error = { readonly code?: unknown; readonly linePos?: unknown; readonly message?: unknown };

const lineOf = (linePos: unknown): number | null => {
  const line: unknown = Array.isArray(linePos)
    ? (linePos[0] as { line?: unknown } | undefined)?.line
    : undefined;
  return typeof line === 'number' ? line : null;
};

/** Why a document is no YAML that can be read, with the line where the parser tells it. Takes what the parser threw. */
export const yamlProblem = (thrown: unknown): string => {
  const { code, linePos, message } = (thrown ?? {}) as Error;
  const text = typeof message === 'string' ? message : '';
  // These two come without a code.
  if (text.startsWith('Unresolved alias'))
    return 'an alias (*name) stands before its anchor (&name), or has none';
  if (text.startsWith('Excessive alias count')) return 'its aliases stand for too much';
  if (text.startsWith('Converting circular structure')) return 'an anchor is inside of what it stands for';
  if (text.startsWith('Maximum call stack')) return words['RESOURCE_EXHAUSTION']!;
  const what = (typeof code === 'string' ? words[code] : undefined) ?? 'this is no YAML';
  const line = lineOf(linePos);
  return line === null ? what : `line ${line}: ${what}`;
};
