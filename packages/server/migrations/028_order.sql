--! no-transaction
-- Deliveries in an order: by the ordering key of their message, or all of an endpoint (the key is empty
-- then). `seq` is the place in it, drawn from one sequence when the message is accepted; null while it is
-- scheduled for later and stands in no line yet. Costs what has no order nothing: nulls, and indexes whose
-- conditions it does not meet.

-- One at a time: a number drawn later, wherever, is higher.
create sequence if not exists live_seq cache 1;

alter table message add column if not exists ordering_key text collate "C";

alter table live
  add column if not exists order_key text collate "C",
  add column if not exists seq bigint;

-- Of what has an order, 3 to 5: behind all that goes by urgency alone, so that neither gets in the other's way.
alter table live drop constraint if exists live_priority_check;

alter table live add constraint live_priority_check check (priority between 0 and 5) not valid;

alter table live validate constraint live_priority_check;

alter table live drop constraint if exists live_order_check;

alter table live add constraint live_order_check
  check ((priority > 2) = (order_key is not null) and (order_key is not null or seq is null)) not valid;

alter table live validate constraint live_order_check;

-- The heads of all keys, and whether one of a key is held.
create index concurrently if not exists live_line on live (endpoint_id, order_key, state, seq) where seq is not null;

-- What has an order and waits for its time: scheduled, or tried before.
create index concurrently if not exists live_line_due on live (endpoint_id, due_at)
  where order_key is not null and state = 'waiting' and (seq is null or attempts + throttled + unknowns > 0);

alter table expansion
  add column if not exists ordering_key text collate "C",
  add column if not exists seq bigint;

create index concurrently if not exists expansion_line on expansion (app_id, seq) where seq is not null;

-- A dead letter knows its place; one that `blocks` stops its key while it is open.
alter table closed
  add column if not exists order_key text collate "C",
  add column if not exists seq bigint,
  add column if not exists blocks boolean not null default false;

create index concurrently if not exists closed_blocks on closed (endpoint_id, order_key, msg_id)
  where blocks and letter = 'open';

alter table endpoint
  add column if not exists fifo boolean not null default false,
  add column if not exists poison_policy text not null default 'skip';

alter table endpoint drop constraint if exists endpoint_poison_policy_check;

alter table endpoint add constraint endpoint_poison_policy_check check (poison_policy in ('block', 'skip')) not valid;

alter table endpoint validate constraint endpoint_poison_policy_check;
