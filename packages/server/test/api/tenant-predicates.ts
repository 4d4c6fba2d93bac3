// Whether a statement says of every table of tenants whose rows it means: by reading its text.
export const TABLES = [
  'application',
  'endpoint',
  'event_type',
  'environment',
  'task',
  'message',
  'attempt',
  'live',
  'lane',
  'closed',
  'expansion',
  'operational_event',
  'poll_consumer',
  'statistic_hour',
  'statistic_minutes',
];

/** Comparisons of an organisation with a parameter, or with that of another row. */
export const PREDICATE = /\b(?:[a-z_]+\.)?org_id = (?:\$\d+|[a-z_]+\.org_id)/g;

const NO_ALIAS = new Set(
  'where set on cross left join order limit values using select returning for group lateral offset inner union'.split(
    ' ',
  ),
);

/** Where in the statement something stands: the parentheses around it, and which arm of a union within each. */
type Place = readonly string[];

const placesOf = (text: string): ((index: number) => Place) => {
  const tokens = [...text.matchAll(/[()]|\bunion\b/g)];
  return (index) => {
    const path = ['top 0'];
    for (const { 0: token, index: at } of tokens) {
      if (at >= index) break;
      if (token === '(') path.push(`${at} 0`);
      else if (token === ')') path.pop();
      else {
        const [opened, arm] = path.at(-1)!.split(' ') as [string, string];
        path[path.length - 1] = `${opened} ${Number(arm) + 1}`;
      }
    }
    return path;
  };
};

const holds = (outer: Place, inner: Place): boolean => outer.every((part, depth) => inner[depth] === part);

type Named = {
  readonly id: number;
  /** null: a select in parentheses, whose tables have to say it themselves. */
  readonly table: string | null;
  readonly alias: string;
  readonly place: Place;
};

const tables = TABLES.join('|');
const MENTION = new RegExp(
  `\\b(from|join|update|using)\\s+(${tables})\\b(?!\\s*\\()(?:\\s+(?:as\\s+)?([a-z_]+)\\b)?|,\\s*(${tables})\\s+([a-z]{1,2})\\b(?=[^()]*\\b(?:cross|where)\\b)`,
  'g',
);
const INSERT = new RegExp(`\\binto\\s+(${tables})\\b(?:\\s+as\\s+([a-z_]+))?\\s*\\(([^)]*)\\)`, 'g');
const SELECT = /\(\s*select\b/g;

const closingOf = (text: string, opening: number): number => {
  let depth = 0;
  for (let at = opening; at < text.length; at++) {
    if (text[at] === '(') depth++;
    if (text[at] === ')' && --depth === 0) return at;
  }
  throw new Error(`unbalanced: ${text.slice(opening, opening + 80)}`);
};

const mentioned = (text: string, placeOf: (index: number) => Place): Named[] =>
  [...text.matchAll(MENTION)].map((match) => {
    const [, , plain, word, listed, short] = match;
    const alias = short ?? (word === undefined || NO_ALIAS.has(word) ? '' : word);
    return { id: match.index, table: (plain ?? listed)!, alias, place: placeOf(match.index) };
  });

/** Selects in parentheses that have a name, and an organisation: of their tables, or the parameter itself. */
const derived = (text: string, org: number, placeOf: (index: number) => Place): Named[] =>
  [...text.matchAll(SELECT)].flatMap(({ index }) => {
    const end = closingOf(text, index);
    const inside = text.slice(index, end);
    const alias = /^\)\s*(?:as\s+)?([a-z_]+)/.exec(text.slice(end))?.[1];
    const isKnown = inside.match(MENTION) !== null || new RegExp(`\\$${org}::text as org_id\\b`).test(inside);
    return alias === undefined || !isKnown ? [] : [{ id: index, table: null, alias, place: placeOf(index) }];
  });

/**
 * Tables of tenants that a statement reads or changes without saying that it means the rows of the organisation that
 * its parameter number `org` names: neither by the parameter nor by another row that is bound to it.
 */
export const unguarded = (text: string, org: number): string[] => {
  const placeOf = placesOf(text);
  const inserts = [...text.matchAll(INSERT)];
  const written = inserts.flatMap(({ index, 2: alias }) =>
    alias === undefined ? [] : [{ id: index, table: null, alias, place: placeOf(index) }],
  );
  const tablesRead = mentioned(text, placeOf);
  const named: Named[] = [...tablesRead, ...derived(text, org, placeOf), ...written];
  /** The one that a mention of an alias at this place means: the innermost around it. */
  const meant = (alias: string, index: number): Named | undefined => {
    const here = placeOf(index);
    return named
      .filter((one) => one.alias === alias && holds(one.place, here))
      .toSorted((a, b) => b.place.length - a.place.length)[0];
  };
  const bound = new Set(named.flatMap(({ id, table }) => (table === null ? [id] : [])));
  const same: [Named, Named][] = [];
  for (const match of text.matchAll(PREDICATE)) {
    const [left, right] = match[0].split(' = ') as [string, string];
    const one = meant(left.includes('.') ? left.split('.')[0]! : '', match.index);
    if (one === undefined) continue;
    if (right === `$${org}`) bound.add(one.id);
    const other = right.startsWith('$') ? undefined : meant(right.split('.')[0]!, match.index);
    if (other !== undefined) same.push([one, other]);
  }
  for (let before = -1; before < bound.size;) {
    before = bound.size;
    for (const [one, other] of same) {
      if (bound.has(one.id)) bound.add(other.id);
      if (bound.has(other.id)) bound.add(one.id);
    }
  }
  return [
    ...tablesRead.flatMap(({ id, table, alias }) =>
      bound.has(id) ? [] : [`${table ?? ''} ${alias}`.trim()],
    ),
    ...inserts.flatMap(({ 1: table, 3: columns }) => (/\borg_id\b/.test(columns!) ? [] : [`into ${table!}`])),
  ];
};
