--! no-transaction
-- What was attempted and how deliveries ended, by hour, kept when the days that it counts are dropped.
-- `statistic_mark.upto` says up to which attempt ids and closing times everything is in here; what is
-- newer is counted where it lies. Also what background tasks found, and the indexes that counts go by.
create table if not exists statistic_hour (
  endpoint_id text collate "C" not null,
  hour timestamptz not null,
  event_type text collate "C" not null,
  app_id text collate "C" not null,
  org_id text collate "C" not null,
  -- Attempts.
  ok bigint not null,
  failed bigint not null,
  -- Ends of deliveries.
  delivered bigint not null,
  dead bigint not null,
  canceled bigint not null,
  primary key (endpoint_id, hour, event_type)
);
create index concurrently if not exists statistic_hour_app on statistic_hour (app_id, hour);

-- The same for applications by five minutes, for the last days only.
create table if not exists statistic_minutes (
  app_id text collate "C" not null,
  at timestamptz not null,
  event_type text collate "C" not null,
  org_id text collate "C" not null,
  ok bigint not null,
  failed bigint not null,
  canceled bigint not null,
  primary key (app_id, at, event_type)
);

create table if not exists statistic_mark (
  singleton boolean primary key default true check (singleton),
  upto timestamptz not null
);
insert into statistic_mark (upto)
  select coalesce(min(to_timestamp(right(c.relname, 8), 'YYYYMMDD')::date::timestamp at time zone 'UTC'),
    date_trunc('second', now()))
  from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'attempt'::regclass
  on conflict do nothing;

create table if not exists task_item (
  task_id text collate "C" not null references task (id) on delete cascade,
  key text collate "C" not null,
  value jsonb not null,
  primary key (task_id, key)
);

-- Deleted endpoints too: what was sent to them counts.
create index concurrently if not exists endpoint_of_app on endpoint (app_id, id);
create index concurrently if not exists endpoint_of_org on endpoint (org_id, app_id) where deleted_at is null;
