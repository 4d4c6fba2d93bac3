// Every statement of the deduplication table. Moments come as Unix milliseconds, or null for the
// database's own clock. The stable now() where an index is to be used.
import { tableName } from './client.ts';

const now = (parameter: string): string =>
  `coalesce(to_timestamp(${parameter}::float8 / 1000), clock_timestamp())`;
const ms = (parameter: string): string => `make_interval(secs => ${parameter}::float8 / 1000)`;

/** The table, to be run by a migration of yours or by `createTable`. */
export const createDedupTable = (name: string): string => {
  const table = tableName(name);
  return `create table if not exists ${table} (
  key text collate "C" primary key,
  token text not null,
  claimed_at timestamptz not null,
  lease_until timestamptz not null,
  expires_at timestamptz not null,
  handled boolean not null default false
);
create index if not exists ${indexName(table)} on ${table} (expires_at);`;
};

const indexName = (table: string): string => `${table.slice(table.indexOf('.') + 1)}_expires_at`;

/**
 * $1 key, $2 token, $3 lease in ms, $4 time to keep in ms, $5 now, $6 handled.
 * Never waits: who finds the key's lock taken is told that it is busy. The lock also spans a whole
 * transaction of `withDedup`, whose row nobody else can see yet.
 */
export const claim = (table: string): string => `
with gate as materialized (
  select pg_try_advisory_xact_lock(hashtextextended('${table}' || chr(10) || $1, 0)) as open,
         ${now('$5')} as now
), taken as (
  insert into ${table} as d (key, token, claimed_at, lease_until, expires_at, handled)
  select $1, $2, now, now + ${ms('$3')}, now + greatest(${ms('$3')}, ${ms('$4')}), $6::boolean
    from gate where open
  on conflict (key) do update
    set token = excluded.token, claimed_at = excluded.claimed_at, lease_until = excluded.lease_until,
        expires_at = excluded.expires_at, handled = excluded.handled
    where d.expires_at <= excluded.claimed_at
       or (not d.handled and d.lease_until <= excluded.claimed_at)
  returning 1
)
select exists (select from taken) as first,
       coalesce(d.handled and d.expires_at > gate.now, false) as done,
       extract(epoch from d.lease_until - gate.now)::float8 * 1000 as busy_ms
  from gate left join ${table} d on d.key = $1`;

/** $1 key, $2 token. */
export const done = (table: string): string =>
  `update ${table} set handled = true where key = $1 and token = $2`;

/** $1 key, $2 token. */
export const forget = (table: string): string =>
  `delete from ${table} where key = $1 and token = $2 and not handled`;

/** $1 now, $2 at most so many. */
export const purge = (table: string): string => `
delete from ${table} where key in (
  select key from ${table} where expires_at <= coalesce(to_timestamp($1::float8 / 1000), now()) order by expires_at limit $2
  for update skip locked)`;
