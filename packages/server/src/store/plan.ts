/**
 * How the hot statements spell out their plans.
 *
 * They run on connections with generic plans (planning costs more than running them) and keyed
 * probes only (`plans: 'pinned'`). Such a plan is made once and kept until statistics change, so it
 * must not depend on how large a table happened to be: the table of open deliveries has ten rows
 * at noon and a million at five past. On a table of one page all indexes and all join orders cost
 * the same, so nothing may be left to choose:
 *
 * - A probe is a LATERAL subquery with OFFSET 0: its conditions are the scan's own, so the planner
 *   must use them as index conditions. The row is then written by its ctid. Whoever changes the row
 *   in between takes the token off it, so a ctid that moved is a fence that failed.
 * - `one = 1` is always true; the planner takes it for a filter that leaves one row, and then a
 *   probe by ctid is cheaper than any scan.
 * - Lanes are found by `= any(array)`: a scan condition too, and the index hands them out in order,
 *   so that two statements lock them in one order.
 * - Sorting is off, so that an ORDER BY with LIMIT goes by the index that has the order.
 *
 * Measured on two shared cores with PostgreSQL 15, 1 KB a message, one endpoint each, as CPU µs a
 * message in Node + database: insert 12 + 22 in batches of 100 and 5 + 22 of 500, with event id and
 * idempotency key 15 + 36 of 100; settle 11 + 28 of 100 and 5 + 21 of 500. Before its probes were
 * spelled out, a settle of 500 cost the database 215.
 */

/** The settings of a connection for them. */
export const pinnedPlans = `set plan_cache_mode = force_generic_plan; set enable_seqscan = off;
set enable_hashjoin = off; set enable_mergejoin = off; set enable_bitmapscan = off;
set enable_sort = off; set enable_material = off; set random_page_cost = 1.1;`;

/** Selects `row_at`, the place of an open delivery, for alias `t` with its two keys. */
export const probeLive = (t: string): string =>
  `(select ctid as row_at from live where msg_id = ${t}.msg_id and endpoint_id = ${t}.endpoint_id offset 0)`;

/**
 * Lowers lanes to now for deliveries that have just become waiting; `endpoints` is a subquery. The
 * version rises unconditionally, without a look at the hint: that is what the owner's raise is
 * checked against, and a hint that this snapshot sees low may be raised by somebody meanwhile.
 */
export const lowerLanesToNow = (endpoints: string): string => `update lane
  set next_due = least(next_due, statement_timestamp()), version = version + 1
  where endpoint_id = any(array(${endpoints}))`;
