import type { TaskRecord } from '../api/records.ts';
import { priorities } from '../domain/delivery.ts';
import { IN_LINE, orderKeyOf, placeOfReplay } from './line.ts';
import { tenantStatement } from './tenant-statement.ts';

/**
 * The chunks that background tasks are worked off in. Each is one statement: it walks on from the
 * cursor along an index, does what the task is for, and tells how far it came.
 *
 * Parameters of all: $1 organisation, $2 application, $3 endpoint or null, $4 since, $5 until or
 * null, $6 event types or null, $7 channel or null, $8 tag or null, $9 status or null, $10 cursor,
 * $11 second part of the cursor, $12 rows of a chunk, $13 class of status codes or null.
 */
export type ChunkRow = {
  readonly walked: number;
  readonly started: number;
  readonly cursor: string | null;
  readonly cursor_run: number | null;
  readonly endpoint_ids: string[] | null;
  /** The walk has to be made again when it is through: what it looks for may come back. */
  readonly again?: boolean;
};

/** Names every parameter with its type, as statements differ in which they use. */
const inputs = `input as (select $1::text as org_id, $2::text as app_id, $3::text as endpoint_id,
    $4::timestamptz as since, $5::timestamptz as until, $6::text[] as event_types, $7::text as channel,
    $8::text as tag, $9::smallint as status, $10::text as cursor, $11::smallint as cursor_run,
    $12::integer as chunk, $13::integer as code_class)`;

// Whatever the messages' own class: they must not go before what was posted meanwhile.
const opened = `opened as (
    insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, priority, due_at, run, bytes,
      order_key, seq)
    select p.msg_id, p.endpoint_id, $2, $1, p.partition, 'waiting',
      ${priorities.bulk} + case when p.order_key is null then 0 else ${IN_LINE} end, clock_timestamp(), p.run, p.bytes,
      p.order_key, ${placeOfReplay('p.order_key', 'p.seq')}
    from picked p order by p.msg_id on conflict do nothing returning msg_id, endpoint_id, run),
  marked as (
    update closed d set letter = 'replayed', changed_at = clock_timestamp()
    from opened o where d.endpoint_id = o.endpoint_id and d.msg_id = o.msg_id and d.org_id = $1
      and d.state = 'dead' and d.letter <> 'replayed' returning 1)`;

const result = (cursor: string, run: string, direction: string): string => `select
    (select count(*) from walked) as walked, (select count(*) from opened) as started,
    (select ${cursor} from walked w ${direction} limit 1) as cursor,
    (select ${run} from walked w ${direction} limit 1) as cursor_run,
    (select array_agg(distinct o.endpoint_id) from opened o) as endpoint_ids,
    (select count(*) from marked) as marked`;

const payloadThere = 'm.payload is not null and not coalesce(m.payload_until <= now(), false)';

/** Dead letters of one endpoint whose deliveries were failing at some time between since and until. */
const recover = tenantStatement(
  1,
  'task_recover',
  `with ${inputs}, walked as (
    select d.* from closed d
    where d.endpoint_id = $3 and d.app_id = $2 and d.org_id = $1 and (d.msg_id, d.run) > ($10, $11)
    order by d.msg_id, d.run limit $12 for no key update),
  picked as (
    select w.msg_id, w.endpoint_id, e.partition, (w.run + 1)::smallint as run, octet_length(m.payload) as bytes,
      ${orderKeyOf('e', 'm')} as order_key, w.seq
    from walked w
    join endpoint e on e.id = w.endpoint_id and e.org_id = $1 and e.deleted_at is null and not e.disabled
    join message m on m.app_id = $2 and m.id = w.msg_id and m.org_id = $1 and ${payloadThere}
    where w.state = 'dead' and w.letter = 'open' and w.closed_at >= $4
      and ($5::timestamptz is null or m.created_at < $5)),
  ${opened} ${result('w.msg_id', 'w.run', 'order by w.msg_id desc, w.run desc')}`,
);

/** Dead letters of an application that died between since and until, by endpoint and event type. */
const deadLetters = tenantStatement(
  1,
  'task_dead_letters',
  `with ${inputs}, walked as (
    select d.* from closed d
    where d.app_id = $2 and d.org_id = $1 and d.closed_at >= $4
      and ($5::timestamptz is null or d.closed_at < $5)
      and (d.closed_at, d.msg_id, d.endpoint_id, d.run) >
        (split_part($10, ' ', 1)::timestamptz, split_part($10, ' ', 2), split_part($10, ' ', 3), $11)
      and d.closed_at >= split_part($10, ' ', 1)::timestamptz
    order by d.closed_at, d.msg_id, d.endpoint_id, d.run limit $12 for no key update),
  picked as (
    select w.msg_id, w.endpoint_id, e.partition, (w.run + 1)::smallint as run, octet_length(m.payload) as bytes,
      ${orderKeyOf('e', 'm')} as order_key, w.seq
    from walked w
    join endpoint e on e.id = w.endpoint_id and e.org_id = $1 and e.deleted_at is null and not e.disabled
    join message m on m.app_id = $2 and m.id = w.msg_id and m.org_id = $1 and ${payloadThere}
    where w.state = 'dead' and w.letter = 'open'
      and ($3::text is null or w.endpoint_id = $3)
      and ($6::text[] is null or w.event_type = any ($6::text[]))),
  ${opened} ${result(
    `to_char(w.closed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || w.msg_id || ' ' || w.endpoint_id`,
    'w.run',
    'order by w.closed_at desc, w.msg_id desc, w.endpoint_id desc, w.run desc',
  )}`,
);

const walkedMessages = `walked as (
    select m.id as msg_id, m.event_type, m.channels, m.tags, m.ordering_key, octet_length(m.payload) as bytes, 0 as run,
      ${payloadThere} as there
    from message m
    where m.app_id = $2 and m.org_id = $1 and m.id > $10
      and m.id >= 'msg_' || id_floor($4) and m.id < 'msg_' || id_floor(coalesce($5, now() + interval '1 hour'))
    order by m.id limit $12)`;

const target = `join endpoint e on e.id = $3 and e.app_id = $2 and e.org_id = $1
      and e.deleted_at is null and not e.disabled`;

const neverOpen = `not exists (select from live l where l.msg_id = w.msg_id and l.endpoint_id = e.id and l.org_id = $1)`;

/** Messages that the endpoint subscribes to and that were never meant for it. */
const missing = tenantStatement(
  1,
  'task_missing',
  `with ${inputs}, ${walkedMessages},
  picked as (
    select w.msg_id, e.id as endpoint_id, e.partition, 0::smallint as run, w.bytes,
      ${orderKeyOf('e', 'w')} as order_key, null::int8 as seq
    from walked w ${target}
    where w.there and (e.event_types is null or w.event_type = any (e.event_types))
      and (e.channels is null or e.channels && w.channels) and ${neverOpen}
      and not exists (select from attempt a where a.msg_id = w.msg_id and a.endpoint_id = e.id and a.org_id = $1)
      and not exists (select from closed d where d.endpoint_id = e.id and d.msg_id = w.msg_id and d.org_id = $1)),
  ${opened} ${result('w.msg_id', 'w.run', 'order by w.msg_id desc')}`,
);

/** Messages that were sent to the endpoint before, by filter, once more. */
const bulk = tenantStatement(
  1,
  'task_bulk',
  `with ${inputs}, ${walkedMessages},
  picked as (
    select w.msg_id, e.id as endpoint_id, e.partition, w.bytes, ${orderKeyOf('e', 'w')} as order_key, c.seq,
      (1 + greatest(coalesce(f.run, -1), coalesce(c.run, -1)))::smallint as run
    from walked w ${target}
    left join lateral (select a.run, a.status, a.response_status from attempt a
      where a.msg_id = w.msg_id and a.endpoint_id = e.id and a.org_id = $1 order by a.id desc limit 1) f on true
    left join lateral (select d.run, d.state, d.seq from closed d
      where d.endpoint_id = e.id and d.msg_id = w.msg_id and d.org_id = $1 order by d.run desc limit 1) c on true
    where w.there and (f.run is not null or c.run is not null) and ${neverOpen}
      and ($6::text[] is null or w.event_type = any ($6::text[]))
      and ($7::text is null or w.channels @> array[$7::text])
      and ($8::text is null or w.tags @> array[$8::text])
      and ($9::smallint is null or $9 = case when f.status = 0 then 0
        when c.state = 'canceled' then 4 else 2 end)
      and ($13::integer is null or f.response_status between $13 and $13 + 99)),
  ${opened} ${result('w.msg_id', 'w.run', 'order by w.msg_id desc')}`,
);

/** Payloads of all messages of the application from before until. */
const purge = tenantStatement(
  1,
  'task_purge',
  `with ${inputs}, walked as (
    select m.id from message m
    where m.app_id = $2 and m.org_id = $1 and m.id > $10 and m.id < 'msg_' || id_floor($5)
    order by m.id limit $12),
  purged as (
    update message m set payload = null, payload_until = null,
      payload_sha256 = coalesce(m.payload_sha256, encode(sha256(m.payload), 'hex'))
    where m.app_id = $2 and m.org_id = $1 and m.id > $10 and m.id <= (select max(id) from walked)
      and m.payload is not null
    returning 1)
  select (select count(*) from walked) as walked, (select count(*) from purged) as started,
    (select max(id) from walked) as cursor, 0 as cursor_run, null as endpoint_ids`,
);

/**
 * What waits for the endpoint and is from before until. What is held meanwhile ends or comes back, behind
 * the cursor perhaps: the walk is repeated until it finds nothing and nothing is held. The cursor
 * begins with whether this walk has found something.
 */
const cancel = tenantStatement(
  1,
  'task_cancel_deliveries',
  `with ${inputs}, walked as (
    select l.msg_id, l.priority, l.due_at from live l
    where l.endpoint_id = $3 and l.org_id = $1 and l.state = 'waiting'
      and (l.priority, l.due_at) >= (split_part($10, ' ', 2)::smallint, split_part($10, ' ', 3)::timestamptz)
      and (l.priority, l.due_at, l.msg_id) >
        (split_part($10, ' ', 2)::smallint, split_part($10, ' ', 3)::timestamptz, split_part($10, ' ', 4))
    order by l.priority, l.due_at, l.msg_id limit $12),
  ended as (
    delete from live l using walked w
    where l.msg_id = w.msg_id and l.endpoint_id = $3 and l.org_id = $1 and l.state = 'waiting'
      and w.msg_id < 'msg_' || id_floor($5)
    returning l.msg_id, l.run, l.app_id, l.order_key),
  canceled as (
    insert into closed (msg_id, endpoint_id, run, app_id, org_id, event_type, state, reason, closed_at, changed_at)
    select e.msg_id, $3, e.run, e.app_id, $1, coalesce(m.event_type, ''), 'canceled', 'canceled', now(), now()
    from ended e left join message m on m.app_id = e.app_id and m.id = e.msg_id and m.org_id = $1
    on conflict do nothing),
  found as (select split_part($10, ' ', 1) = '1' or exists (select from ended) as any)
  select (select count(*) from walked) as walked, (select count(*) from ended) as started,
    (select concat_ws(' ', f.any::integer, w.priority,
        to_char(w.due_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), w.msg_id)
      from walked w, found f order by w.priority desc, w.due_at desc, w.msg_id desc limit 1) as cursor,
    0 as cursor_run,
    -- Whose turn it was: the next has it now.
    case when exists (select from ended where order_key is not null) then array[$3] end as endpoint_ids,
    f.any or exists (select from live h
      where h.state = 'held' and h.partition = (select e.partition from endpoint e where e.id = $3 and e.org_id = $1)
        and h.endpoint_id = $3 and h.org_id = $1 and h.msg_id < 'msg_' || id_floor($5)) as again
  from found f`,
);

/** Nothing to do ahead: what was exported is put together when it is asked for. */
const nothing = tenantStatement(
  1,
  'task_nothing',
  `with ${inputs} select 0 as walked, 0 as started, null as cursor, null as cursor_run, null as endpoint_ids`,
);

export const taskChunks = {
  'sdk.generate': nothing,
  'application.purge_content': purge,
  'endpoint.cancel': cancel,
  'endpoint.recover': recover,
  'application.replay': deadLetters,
  'endpoint.replay': missing,
  'endpoint.bulk-replay': bulk,
} as const;

/** The cursor before the first row. */
export const firstCursors = {
  'sdk.generate': '',
  'application.purge_content': '',
  'endpoint.cancel': '0 -1 -infinity ',
  'endpoint.recover': '',
  'application.replay': '-infinity',
  'endpoint.replay': '',
  'endpoint.bulk-replay': '',
} as const;

export type ReplayTask = TaskRecord & { readonly kind: keyof typeof taskChunks };
/** Whether a task sends again what was sent or missed; the others look or post. */
export const isReplay = (task: TaskRecord): task is ReplayTask => task.kind in taskChunks;
