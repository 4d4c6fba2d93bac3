-- A fan-out too large for the transaction of its message. The owner of the application's partition
-- unfolds it in chunks; the row goes with the last one.

create table expansion (
  msg_id text collate "C" primary key,
  app_id text collate "C" not null,
  org_id text collate "C" not null,
  partition smallint not null,
  priority smallint not null,
  bytes integer not null,
  endpoint_ids text[] not null,
  -- So many of them have their delivery.
  unfolded integer not null default 0,
  -- Who has waited longest is next.
  turn_at timestamptz not null default statement_timestamp()
);
create index expansion_turn on expansion (turn_at, msg_id);
