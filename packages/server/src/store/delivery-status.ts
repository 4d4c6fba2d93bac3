import type { DeliveryStatus } from '../api/records.ts';

/**
 * Where a delivery stands, in SQL: expects `l` (live), `f` (how its last run was ended by an attempt:
 * final, run) and `c` (its latest closed row: state, run), each left-joined. An open row wins; then
 * what ended the latest run, where a success outdoes a death: the resend of a dead delivery succeeded.
 * Never by times: a resend may begin before a death and succeed after it, and clocks differ.
 */
export const statusSql = `case
    when l.state = 'waiting' then 1
    when l.state = 'held' then 3
    when f.final = 'succeeded' and (c.state is null or f.run >= c.run) then 0
    when c.state = 'canceled' and (f.final is null or f.run <= c.run) then 4
    when c.state is not null or f.final is not null then 2
  end`;

/** When it is tried next, where it waits. */
export const nextAtSql = `case when l.state = 'waiting' then l.due_at end`;

/** The attempt that ended the latest run and the latest closed row of a delivery, as `f` and `c`. */
export const endsOf = (endpoint: string, message: string, org: string, floor: string): string => `
  left join lateral (
    select a.final, a.run from attempt a
    where a.endpoint_id = ${endpoint} and a.msg_id = ${message} and a.final is not null
      and a.id > ${floor} and a.org_id = ${org}
    order by a.run desc, a.final = 'succeeded' desc limit 1) f on true
  left join lateral (
    select d.state, d.run from closed d
    where d.endpoint_id = ${endpoint} and d.msg_id = ${message} and d.org_id = ${org}
    order by d.run desc limit 1) c on true`;

/** null where a delivery never was. */
export const isDeliveryStatus = (status: number | null): status is DeliveryStatus => status !== null;
