import { isOrdered } from '../domain/message.ts';
import type { MessageInsert } from '../ingest/port.ts';
import { arrayLiteral, int2Array, int4Array, textArray } from './binary-array.ts';
import { insertStatements } from './insert-statement.ts';
import type { SqlParam, Statement } from './postgres.ts';

/** Each piece of text is there once, or the statement is not what this was written for. */
const withParts = (text: string, parts: readonly (readonly [find: string, replace: string])[]): string => {
  let made = text;
  for (const [find, replace] of parts) {
    if (made.split(find).length !== 2) throw new Error(`the insert statement does not have "${find}" once`);
    made = made.replace(find, () => replace);
  }
  return made;
};

/**
 * The insert with what few messages have, apart, so that the path of every message does not carry it:
 * ordering keys (of messages as $36, of deliveries as $37) with places ($38, of $39 in all) and expansions
 * ($40 to $48).
 *
 * The places of a statement are numbers of one sequence, drawn at once and dealt out by rank: that of
 * the messages as they came, which is not the order of the rows.
 */
export const insertFurther: Statement = {
  name: 'insert_further',
  text: withParts(insertStatements.insertMessages.text, [
    [
      'with m as materialized (',
      `with places as materialized (
  select array_agg(nextval('live_seq')) as seqs from generate_series(1, $39::int4)
), m as materialized (`,
    ],
    [', $35::int2[])\n', ', $35::int2[], $36::text[])\n'],
    ['idem_hash, priority, position)', 'idem_hash, priority, ordering_key, position)'],
    ['idem_hash, priority)\n  select', 'idem_hash, priority, ordering_key)\n  select'],
    ['    priority\n  from m', '    priority, ordering_key\n  from m'],
    ['$32::timestamptz[])\n', '$32::timestamptz[], $37::text[], $38::int4[])\n'],
    ['expires_at,\n      position)', 'expires_at,\n      order_key, place, position)'],
    ['held_at, bytes)\n', 'held_at, bytes, order_key, seq)\n'],
    [
      'case when hold then clock_timestamp() end, bytes\n  from d',
      'case when hold then clock_timestamp() end, bytes, order_key, (select seqs from places)[place]\n  from d',
    ],
    [
      '\n)\nselect\n',
      `
), folded as (
  insert into expansion (msg_id, app_id, org_id, partition, priority, bytes, endpoint_ids, ordering_key, seq)
  select msg_id, app_id, org_id, partition, priority, bytes, endpoint_ids::text[], ordering_key,
    (select seqs from places)[place]
  from unnest($40::text[], $41::text[], $42::text[], $43::int2[], $44::int2[], $45::int4[], $46::text[],
      $47::text[], $48::int4[])
    as t(msg_id, app_id, org_id, partition, priority, bytes, endpoint_ids, ordering_key, place)
  where (msg_id in (select id from inserted)) is true
)
select
`,
    ],
  ]),
};

/** Whether a message has what only {@link insertFurther} writes. */
export const needsFurther = ({ message, deliveries, unfoldedBy }: MessageInsert): boolean =>
  unfoldedBy !== null || isOrdered(message, deliveries);

/**
 * Its parameters beyond those of the plain insert. `arrived` has these messages, and perhaps others, in
 * the order in which they came: those that are due at once get their places by it.
 */
export const furtherParams = (
  batch: readonly MessageInsert[],
  arrived: readonly MessageInsert[],
): SqlParam[] => {
  const here = new Set(batch);
  const placed = arrived.filter(
    (item) => here.has(item) && item.message.deliverAtMs === null && isOrdered(item.message, item.deliveries),
  );
  const places = new Map(placed.map((item, index) => [item, index + 1]));
  const placeOf = (item: MessageInsert): number | null => places.get(item) ?? null;
  const written = batch.filter((item) => item.unfoldedBy === null);
  const deliveries = written.flatMap((item) =>
    item.deliveries.map(({ orderKey }) => ({ orderKey, place: orderKey === null ? null : placeOf(item) })),
  );
  const folded = batch.filter((item) => item.unfoldedBy !== null);
  return [
    textArray(batch.map(({ message }) => message.orderingKey)),
    textArray(deliveries.map(({ orderKey }) => orderKey)),
    int4Array(deliveries.map(({ place }) => place)),
    placed.length,
    textArray(folded.map(({ message }) => message.id)),
    textArray(folded.map(({ message }) => message.applicationId)),
    textArray(folded.map(({ message }) => message.orgId)),
    int2Array(folded.map(({ unfoldedBy }) => unfoldedBy)),
    int2Array(folded.map(({ message }) => message.priority)),
    int4Array(folded.map(({ message }) => message.payload.byteLength)),
    textArray(folded.map((item) => arrayLiteral(item.deliveries.map(({ endpointId }) => endpointId)))),
    textArray(folded.map(({ message }) => message.orderingKey)),
    int4Array(folded.map(placeOf)),
  ];
};
