-- Everything that the path of a message stands on. Ids are text COLLATE "C": byte order is time order.

create table installation (
  singleton boolean primary key default true check (singleton),
  id uuid not null default gen_random_uuid(),
  partitions smallint not null default 256,
  -- A word sealed with the main secret: a start with another secret is noticed.
  seal_check bytea,
  created_at timestamptz not null default now()
);
insert into installation default values;

-- Ownership ---------------------------------------------------------------------------------

create table node (
  id uuid primary key,
  name text not null,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now()
);

-- A lease. Renewal and takeover are UPDATEs of this row with their condition in WHERE.
create table partition (
  id smallint primary key,
  epoch bigint not null default 0,
  node uuid,
  lease_until timestamptz not null default '-infinity',
  check ((node is null) = (lease_until = '-infinity'))
) with (fillfactor = 50);
insert into partition (id) select generate_series(0, 255);

-- Tokens of a tenure that ended while rows were in flight; their rows are spared until the deadline.
create table draining (
  partition smallint not null references partition (id),
  epoch bigint not null,
  node uuid not null,
  deadline timestamptz not null,
  primary key (partition, epoch, node)
);

-- Configuration -------------------------------------------------------------------------------

create table application (
  id text collate "C" primary key,
  org_id text collate "C" not null,
  uid text collate "C",
  name text not null,
  rate_limit integer check (rate_limit > 0),
  metadata jsonb not null default '{}',
  -- Raised in the transaction of every change to the application or its endpoints.
  config_version bigint not null default 1,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  deleted_at timestamptz
) with (fillfactor = 70);
create index application_org on application (org_id, id) where deleted_at is null;
create unique index application_uid on application (org_id, uid) where deleted_at is null and uid is not null;

create table endpoint (
  id text collate "C" primary key,
  org_id text collate "C" not null,
  app_id text collate "C" not null references application (id),
  uid text collate "C",
  partition smallint not null,
  url text not null,
  description text not null default '',
  rate_limit integer check (rate_limit > 0),
  version integer not null default 1,
  disabled boolean not null default false,
  -- Why it is disabled, when a verdict did it: gone, failing.
  disabled_reason text,
  event_types text[],
  channels text[],
  -- Sealed keys, newest first: [{"sealed": base64, "expiresAt": iso time or null}].
  keys jsonb not null,
  -- Sealed JSON object of custom headers, or null.
  headers bytea,
  metadata jsonb not null default '{}',
  owner_email text,
  retry_policy jsonb,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  deleted_at timestamptz
);
create index endpoint_app on endpoint (app_id, id) where deleted_at is null;
create unique index endpoint_uid on endpoint (app_id, uid) where deleted_at is null and uid is not null;

create table event_type (
  org_id text collate "C" not null,
  name text collate "C" not null,
  description text not null,
  archived boolean not null default false,
  deprecated boolean not null default false,
  schemas json,
  feature_flags text[],
  group_name text,
  retry_policy jsonb,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (org_id, name)
);

-- Answers of repeated POSTs (message create has its keys on the message instead).
create table idempotency (
  scope text collate "C" not null,
  key text collate "C" not null,
  request_hash text not null,
  -- null while the first request is at work.
  status smallint,
  body bytea,
  created_at timestamptz not null default now(),
  primary key (scope, key)
);
create index idempotency_age on idempotency (created_at);

create table task (
  id text collate "C" primary key,
  org_id text collate "C" not null,
  app_id text collate "C",
  kind text not null,
  status text not null check (status in ('running', 'finished', 'failed')),
  input jsonb not null,
  progress jsonb not null default '{}',
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index task_org on task (org_id, id);
create index task_running on task (id) where status = 'running';

-- The path of a message -----------------------------------------------------------------------

-- Range-partitioned by id into days; leaves are made ahead by leaf_make() and dropped behind.
create table message (
  id text collate "C" not null,
  app_id text collate "C" not null,
  org_id text collate "C" not null,
  event_type text collate "C" not null,
  event_id text collate "C",
  channels text[],
  tags text[],
  -- null once expunged or expired.
  payload bytea,
  content_type text not null,
  -- Of a payload that is gone; while it is there its hash can be made of it.
  payload_sha256 text,
  retention_days smallint not null,
  -- Set only where the payload goes before its leaf does.
  payload_until timestamptz,
  occurred_at timestamptz,
  created_at timestamptz not null,
  idem_scope text collate "C",
  idem_key text collate "C",
  idem_hash text,
  primary key (app_id, id),
  check ((idem_key is null) = (idem_scope is null) and (idem_key is null) = (idem_hash is null))
) partition by range (id);

-- Immutable history: one row a try, with the delivery's end on the try that ended it.
create table attempt (
  id text collate "C" not null,
  org_id text collate "C" not null,
  app_id text collate "C" not null,
  msg_id text collate "C" not null,
  endpoint_id text collate "C" not null,
  run smallint not null,
  -- 0 success, 2 fail: the API's numbers.
  status smallint not null check (status in (0, 2)),
  -- The delivery's final state where this attempt ended it.
  final text check (final in ('succeeded', 'dead')),
  -- 0 scheduled, 1 manual.
  trigger smallint not null check (trigger in (0, 1)),
  cause text,
  -- 0 where no response came.
  response_status smallint not null,
  response bytea,
  duration_ms integer not null,
  next_at timestamptz,
  url text not null,
  event_type text collate "C" not null,
  channels text[],
  tags text[],
  -- JSON: request and response headers (secrets redacted), phases, peer, size of the body as sent. Text,
  -- because PostgreSQL would parse each on its way in and nobody asks it for a part.
  evidence text,
  created_at timestamptz not null,
  primary key (msg_id, id),
  check (final is null or (final = 'succeeded') = (status = 0))
) partition by range (id);
create index attempt_endpoint on attempt (endpoint_id, id);
create index attempt_final on attempt (endpoint_id, msg_id) where final is not null;

-- One row per open delivery, deleted when it ends.
create table live (
  msg_id text collate "C" not null,
  endpoint_id text collate "C" not null,
  app_id text collate "C" not null,
  org_id text collate "C" not null,
  partition smallint not null,
  state text not null check (state in ('waiting', 'held')),
  priority smallint not null default 1 check (priority between 0 and 2),
  due_at timestamptz not null,
  -- The token, while held.
  epoch bigint,
  node uuid,
  held_at timestamptz,
  run smallint not null default 0,
  attempts smallint not null default 0,
  throttled smallint not null default 0,
  unknowns smallint not null default 0,
  bytes integer not null,
  policy jsonb,
  primary key (msg_id, endpoint_id),
  check ((state = 'held') = (node is not null)),
  check ((node is null) = (epoch is null) and (node is null) = (held_at is null))
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000,
        autovacuum_vacuum_cost_delay = 0);
create index live_waiting on live (endpoint_id, priority, due_at) where state = 'waiting';
create index live_held on live (partition, epoch) where state = 'held';

-- One permanent row per endpoint: what its owner remembers, and a hint when work is due.
create table lane (
  endpoint_id text collate "C" primary key references endpoint (id),
  org_id text collate "C" not null,
  partition smallint not null,
  -- A hint: acceptors only lower it, the owner raises it only where version is the one it read.
  next_due timestamptz not null default 'infinity',
  version bigint not null default 0,
  blocked_until timestamptz,
  blocked_reason text check (blocked_reason in ('retry_after', 'throttled', 'gone')),
  failing_since timestamptz,
  gone_since timestamptz,
  check ((blocked_until is null) = (blocked_reason is null))
) with (fillfactor = 70);
create index lane_due on lane (partition, next_due, endpoint_id) where next_due < 'infinity';

-- The dead and the canceled; replay or discard moves an entry out of `open`.
create table closed (
  msg_id text collate "C" not null,
  endpoint_id text collate "C" not null,
  run smallint not null,
  app_id text collate "C" not null,
  org_id text collate "C" not null,
  event_type text collate "C" not null,
  state text not null check (state in ('dead', 'canceled')),
  reason text not null,
  -- For the dead: open, replayed, discarded.
  letter text check (letter in ('open', 'replayed', 'discarded')),
  closed_at timestamptz not null,
  changed_at timestamptz not null,
  primary key (endpoint_id, msg_id, run),
  check ((state = 'dead') = (letter is not null))
);
create index closed_msg on closed (msg_id);
create index closed_app on closed (app_id, closed_at, msg_id);

-- Days as leaves ------------------------------------------------------------------------------

-- The 27 base62 characters of an id whose time is `at` and whose other bytes are zero.
create function id_floor(at timestamptz) returns text language plpgsql immutable strict as $$
declare
  alphabet constant text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  value numeric := floor(extract(epoch from at) - 1400000000) * 256
    + floor(mod(extract(epoch from at)::numeric * 1000, 1000) / 4);
  body text := '';
begin
  value := trunc(value) * 1329227995784915872903807060280344576; -- 2^120
  for i in 1..27 loop
    body := substr(alphabet, (mod(value, 62))::int + 1, 1) || body;
    value := div(value, 62);
  end loop;
  return body;
end $$;

-- Makes the leaves of one day (UTC), if they are not there. Attached, not created as partitions: that
-- would lock the parent against everybody. Unique keys live on each message leaf.
create function leaf_make(day date) returns void language plpgsql as $$
declare
  suffix constant text := to_char(day, 'YYYYMMDD');
  lower constant text := id_floor(day::timestamp at time zone 'UTC');
  upper constant text := id_floor((day + 1)::timestamp at time zone 'UTC');
begin
  perform pg_advisory_xact_lock(hashtext('posthorn leaf ' || suffix));
  if to_regclass('message_' || suffix) is null then
    execute format('create table %I (like message including all)', 'message_' || suffix);
    execute format('create unique index %I on %I (app_id, event_id) where event_id is not null',
      'message_' || suffix || '_event', 'message_' || suffix);
    execute format('create unique index %I on %I (idem_scope, idem_key) where idem_key is not null',
      'message_' || suffix || '_idem', 'message_' || suffix);
    execute format('create index %I on %I (payload_until) where payload_until is not null',
      'message_' || suffix || '_until', 'message_' || suffix);
    execute format('alter table message attach partition %I for values from (%L) to (%L)',
      'message_' || suffix, 'msg_' || lower, 'msg_' || upper);
  end if;
  if to_regclass('attempt_' || suffix) is null then
    execute format('create table %I (like attempt including all)', 'attempt_' || suffix);
    execute format('alter table attempt attach partition %I for values from (%L) to (%L)',
      'attempt_' || suffix, 'atmpt_' || lower, 'atmpt_' || upper);
  end if;
end $$;

-- What is older than the first leaf does not exist; today, a day of slack behind, a few ahead.
select leaf_make((now() at time zone 'UTC')::date + n) from generate_series(-1, 3) as n;
