import type { DeadLetterFilter, DeadLetterStore, LetterPath } from '../api/letter-port.ts';
import type { Walked } from '../api/port.ts';
import type { DeadLetter, LetterReview } from '../api/records.ts';
import { textArray } from './binary-array.ts';
import { parseLetterKey } from './letter-key.ts';
import { letterColumns, letterOf, reviewParams, reviewed } from './letter-row.ts';
import type { LetterRow } from './letter-row.ts';
import type { SqlParam } from './postgres.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase } from './tenant-statement.ts';
import { createReplayOne, lowerHint } from './replay-one.ts';
import { WALKED_ROWS } from './walk-bounded.ts';
import { HIGHEST, LOWEST, committed, timeParamOrNull } from './written.ts';

/**
 * Two ways to walk, each along an index: by time of death over the application, by message over
 * one endpoint. Both are named by the same key, so that an iterator fits either.
 */
const listSql = (scope: 'application' | 'endpoint', ascending: boolean) => {
  const compare = ascending ? '>' : '<';
  const direction = ascending ? 'asc' : 'desc';
  const inScope =
    scope === 'application'
      ? `d.app_id = $1 and d.org_id = $2 and $3::text is null
         and d.closed_at ${compare}= $4::timestamptz
         and (d.closed_at, d.msg_id, d.endpoint_id, d.run) ${compare} ($4::timestamptz, $5, $6, $7::smallint)`
      : `d.endpoint_id = $3 and d.app_id = $1 and d.org_id = $2
         and ($4::timestamptz is not null and $6::text is not null)
         and (d.msg_id, d.run) ${compare} ($5, $7::smallint)`;
  const columns = scope === 'application' ? ['closed_at', 'msg_id', 'endpoint_id', 'run'] : ['msg_id', 'run'];
  const ordered = `order by ${columns.map((column) => `d.${column} ${direction}`).join(', ')}`;
  const walked = `select * from closed d where ${inScope}
    and d.closed_at >= $8::timestamptz and d.closed_at < $9::timestamptz
    ${ordered} limit ${WALKED_ROWS}`;
  const name = `dead_letter_list_${scope}_${direction}`;
  return {
    list: tenantStatement(
      2,
      name,
      `select ${letterColumns} from (${walked}) d
        where d.state = 'dead' and ($10::text[] is null or d.event_type = any ($10::text[]))
          and ($11::text is null or d.letter = $11) and ($12::text is null or d.reason = $12)
          and ($14::boolean is null or (d.reviewed_at is not null) = $14)
        ${ordered} limit $13`,
    ),
    edge: tenantStatement(
      2,
      `${name}_edge`,
      `select ${letterColumns} from (${walked}) d ${ordered} offset ${WALKED_ROWS - 1} limit 1`,
    ),
  };
};

export const deadLetterLists = {
  application: { up: listSql('application', true), down: listSql('application', false) },
  endpoint: { up: listSql('endpoint', true), down: listSql('endpoint', false) },
};

const microsParam = (micros: number): string => {
  const seconds = Math.floor(micros / 1_000_000);
  const rest = String(micros - seconds * 1_000_000).padStart(6, '0');
  return new Date(seconds * 1000).toISOString().replace(/\.000Z$/, `.${rest}Z`);
};

const startParams = (from: string | null, ascending: boolean): SqlParam[] => {
  const key = from === null ? null : parseLetterKey(from);
  if (key !== null) return [microsParam(key.atMicros), key.messageId, key.endpointId, key.run];
  return ascending ? ['-infinity', LOWEST, LOWEST, 0] : ['infinity', HIGHEST, HIGHEST, 32_767];
};

const filterParams = (filter: DeadLetterFilter): SqlParam[] => [
  filter.eventTypes === null ? null : textArray(filter.eventTypes),
  filter.state,
  filter.reason,
];

const findLetter = tenantStatement(
  4,
  'dead_letter_find',
  `select ${letterColumns} from closed d
    where d.endpoint_id = $1 and d.msg_id = $2 and d.app_id = $3 and d.org_id = $4 and d.state = 'dead'
    order by d.run desc limit 1`,
);
const lockLetter = tenantStatement(4, 'dead_letter_lock', `${findLetter.text} for no key update`);
const change = (name: string, changes: string) =>
  tenantStatement(
    4,
    `dead_letter_${name}`,
    `update closed d set ${changes}, ${reviewed}
    where d.endpoint_id = $1 and d.msg_id = $2 and d.run = $3 and d.org_id = $4 returning ${letterColumns}`,
  );
const note = change('review', 'letter = d.letter');
const discard = change('discard', `letter = 'discarded', changed_at = $5`);
const replace = change('replace', `letter = 'replayed', changed_at = $5, successor = $8`);

/** The edited message takes the place of the one that it replaces, unless it has gone already. */
const takePlace = tenantStatement(
  4,
  'dead_letter_take_place',
  `update live l set seq = d.seq from closed d
    where d.endpoint_id = $1 and d.msg_id = $2 and d.run = $3 and d.org_id = $4
      and l.endpoint_id = $1 and l.msg_id = $5 and l.org_id = $4
      and l.state = 'waiting' and l.order_key = d.order_key and l.seq > d.seq`,
);

const addressOf = (path: LetterPath): string[] => [
  path.endpointId,
  path.messageId,
  path.applicationId,
  path.orgId,
];
const changeParams = (path: LetterPath, run: number, review: LetterReview): SqlParam[] => [
  path.endpointId,
  path.messageId,
  run,
  path.orgId,
  ...reviewParams(review),
];

const withOpen = tenantStatement(
  1,
  'dead_letter_applications',
  `select a.id from application a
    where a.org_id = $1 and a.deleted_at is null and exists (
      select from closed d
      where d.app_id = a.id and d.org_id = $1 and d.state = 'dead' and d.letter = 'open')
    order by a.id`,
);

/** The dead letters of an application. */
export const createDeadLetterStore = (database: TenantDatabase): DeadLetterStore => ({
  isKey: (text) => parseLetterKey(text) !== null,

  applicationsWithOpen: async (orgId) =>
    (await database.rows<{ id: string }>(withOpen, [orgId])).map(({ id }) => id),

  list: async ({ orgId, applicationId }, filter, walk): Promise<Walked<DeadLetter>> => {
    const scope = deadLetterLists[filter.endpointId === null ? 'application' : 'endpoint'];
    const sql = walk.ascending ? scope.up : scope.down;
    const bounds: SqlParam[] = [
      applicationId,
      orgId,
      filter.endpointId,
      ...startParams(walk.from, walk.ascending),
      timeParamOrNull(filter.sinceMs) ?? '-infinity',
      timeParamOrNull(filter.untilMs) ?? 'infinity',
    ];
    const params = [...bounds, ...filterParams(filter), walk.limit + 1, filter.reviewed];
    const rows = (await database.rows<LetterRow>(sql.list, params)).map(letterOf);
    if (rows.length > walk.limit) return { rows, stoppedAt: null };
    const [edge] = await database.rows<LetterRow>(sql.edge, bounds);
    return { rows, stoppedAt: edge === undefined ? null : letterOf(edge).key };
  },

  find: async (path) => {
    const [row] = await database.rows<LetterRow>(findLetter, addressOf(path));
    return row === undefined ? null : letterOf(row);
  },

  review: async (path, review) =>
    committed(database, async ({ run }) => {
      const [letter] = await run<LetterRow>(lockLetter, addressOf(path));
      if (letter === undefined) return 'missing';
      const [row] = await run<LetterRow>(note, changeParams(path, letter.run, review));
      return letterOf(row!);
    }),

  discard: async (path, review) =>
    committed(database, async ({ run }) => {
      const [letter] = await run<LetterRow>(lockLetter, addressOf(path));
      if (letter === undefined) return 'missing';
      if (letter.letter !== 'open') return 'not_open';
      const [row] = await run<LetterRow>(discard, changeParams(path, letter.run, review));
      if (letter.blocks) await run(lowerHint, [`{${path.endpointId}}`, path.orgId]);
      return letterOf(row!);
    }),

  replace: async (path, successor, review) =>
    committed(database, async ({ run }) => {
      const params = [...changeParams(path, path.run, review), successor];
      const [row] = await run<LetterRow>(replace, params);
      if (row!.order_key !== null) {
        await run(takePlace, [path.endpointId, path.messageId, path.run, path.orgId, successor]);
        await run(lowerHint, [`{${path.endpointId}}`, path.orgId]);
      }
      return letterOf(row!);
    }),

  replay: createReplayOne(database, lockLetter),
});
