// Every statement of the inbox. `$n` named now are Unix milliseconds, or null for the database's clock.
// Ids travel as one text, comma between: arrays are where drivers differ.
import { tableName } from './client.ts';

/** Stable, so that an index serves `due_at <= now`. */
const now = (parameter: string): string => `coalesce(to_timestamp(${parameter}::float8 / 1000), now())`;
const ms = (parameter: string): string => `make_interval(secs => ${parameter}::float8 / 1000)`;
const ids = (parameter: string): string => `any(string_to_array(${parameter}::text, ',')::bigint[])`;

/** The table, to be run by a migration of yours or by `createTable`. */
export const createInboxTable = (name: string): string => {
  const table = tableName(name);
  const index = table.slice(table.indexOf('.') + 1);
  return `create table if not exists ${table} (
  id bigint generated always as identity primary key,
  dedup_key text collate "C" unique,
  order_key text collate "C",
  state text not null default 'waiting' check (state in ('waiting', 'running', 'done', 'dead')),
  attempts integer not null default 0,
  due_at timestamptz not null,
  token text,
  lease_until timestamptz,
  stored_at timestamptz not null,
  ended_at timestamptz,
  last_error text,
  head text not null,
  body bytea not null,
  check ((state = 'running') = (token is not null and lease_until is not null)),
  check ((state in ('done', 'dead')) = (ended_at is not null))
);
create index if not exists ${index}_due on ${table} (due_at, id) where state = 'waiting';
create index if not exists ${index}_open on ${table} (order_key, id) where state in ('waiting', 'running');
create index if not exists ${index}_leases on ${table} (lease_until) where state = 'running';
create index if not exists ${index}_done on ${table} (ended_at) where state = 'done';
create index if not exists ${index}_dead on ${table} (id) where state = 'dead';`;
};

/** $1 deduplication key or null, $2 order key or null, $3 head, $4 body, $5 now, $6 most open ones. */
export const put = (table: string): string => `
with size as materialized (
  select count(*) < $6::bigint as room from (
    select from ${table} where state in ('waiting', 'running') limit $6::bigint) open
), stored as (
  insert into ${table} (dedup_key, order_key, due_at, stored_at, head, body)
  select $1, $2, ${now('$5')}, ${now('$5')}, $3, $4 from size where room
  on conflict (dedup_key) do nothing
  returning 1
)
select exists (select from stored) as stored, room,
       exists (select from ${table} where dedup_key = $1) as known from size`;

/** $1 token, $2 lease in ms, $3 at most so many, $4 now. Of each order key only the oldest open one. */
export const claim = (table: string): string => `
with due as (
  select w.id from ${table} w
   where w.state = 'waiting' and w.due_at <= ${now('$4')}
     and (w.order_key is null or not exists (
       select from ${table} o
        where o.order_key = w.order_key and o.id < w.id and o.state in ('waiting', 'running')))
   order by w.due_at, w.id limit $3 for update skip locked
)
update ${table} t set state = 'running', token = $1, lease_until = ${now('$4')} + ${ms('$2')},
       attempts = attempts + 1
  from due where t.id = due.id
returning t.id::text, t.attempts, t.head, t.body`;

const mine = `id = $1::bigint and token = $2 and attempts = $3::integer and state = 'running'`;

/** $1 id, $2 token, $3 attempt. What is done keeps its key and lets go of its bytes. */
export const done = (table: string): string => `
update ${table} set state = 'done', token = null, lease_until = null, last_error = null,
       ended_at = clock_timestamp(), head = '{}', body = ''
 where ${mine}`;

/** $1 id, $2 token, $3 attempt, $4 wait in ms, $5 error, $6 now. */
export const retry = (table: string): string => `
update ${table} set state = 'waiting', token = null, lease_until = null, last_error = $5,
       due_at = ${now('$6')} + ${ms('$4')}
 where ${mine}`;

/** $1 id, $2 token, $3 attempt, $4 error. */
export const bury = (table: string): string => `
update ${table} set state = 'dead', token = null, lease_until = null, last_error = $4,
       ended_at = clock_timestamp()
 where ${mine}`;

/** $1 id, $2 token, $3 attempt: back unharmed, because its worker stops. */
export const release = (table: string): string => `
update ${table} set state = 'waiting', token = null, lease_until = null, attempts = attempts - 1
 where ${mine}`;

/** $1 ids, $2 token, $3 lease in ms, $4 now. */
export const renew = (table: string): string => `
update ${table} set lease_until = ${now('$4')} + ${ms('$3')}
 where id = ${ids('$1')} and token = $2 and state = 'running'
returning id::text`;

/** Frees what dead workers left. $1 most attempts, $2 now. */
export const reclaim = (table: string): string => `
with stale as (
  select id from ${table} where state = 'running' and lease_until <= ${now('$2')}
   order by lease_until limit 1000 for update skip locked
)
update ${table} t set token = null, lease_until = null, due_at = ${now('$2')},
       state = case when attempts >= $1::integer then 'dead' else 'waiting' end,
       ended_at = case when attempts >= $1::integer then clock_timestamp() end,
       last_error = 'The worker died, or did not renew its lease.'
  from stale where t.id = stale.id
returning t.state, t.attempts, t.head`;

/** $1 now. */
export const counts = (table: string): string => `
select count(*) filter (where state = 'waiting') as waiting,
       count(*) filter (where state = 'running') as running,
       (select count(*) from ${table} where state = 'dead') as dead,
       coalesce(extract(epoch from ${now('$1')} - min(stored_at)) * 1000, 0)::float8 as oldest_age_ms
  from ${table} where state in ('waiting', 'running')`;

/** $1 after this id, $2 at most so many. */
export const listDead = (table: string): string => `
select id::text, attempts, last_error, extract(epoch from ended_at)::float8 * 1000 as dead_at_ms, head, body
  from ${table} where state = 'dead' and id > $1::bigint order by id limit $2`;

/** $1 ids, $2 now. */
export const replay = (table: string): string => `
update ${table} set state = 'waiting', attempts = 0, due_at = ${now('$2')}, ended_at = null
 where state = 'dead' and id = ${ids('$1')}`;

/** $1 ids. Its key is still known, so that a duplicate does not bring it back. */
export const discard = (table: string): string => `
update ${table} set state = 'done', ended_at = clock_timestamp(), head = '{}', body = ''
 where state = 'dead' and id = ${ids('$1')}`;

/** $1 how long a key is known in ms, $2 at most so many, $3 now. */
export const purge = (table: string): string => `
delete from ${table} where id in (
  select id from ${table} where state = 'done' and ended_at <= ${now('$3')} - ${ms('$1')}
   order by ended_at limit $2 for update skip locked)`;
