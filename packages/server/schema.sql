-- The schema that the migrations make. Written by test/store/schema.test.ts (vitest -u).

create table application (
  id text collate "C" not null,
  org_id text collate "C" not null,
  uid text collate "C",
  name text not null,
  rate_limit integer,
  metadata jsonb not null default '{}'::jsonb,
  config_version bigint not null default 1,
  created_at timestamp with time zone not null,
  updated_at timestamp with time zone not null,
  deleted_at timestamp with time zone,
  constraint application_rate_limit_check CHECK ((rate_limit > 0)),
  constraint application_pkey PRIMARY KEY (id)
) with (fillfactor=70);
CREATE INDEX application_org ON public.application USING btree (org_id, id) WHERE (deleted_at IS NULL);
CREATE UNIQUE INDEX application_uid ON public.application USING btree (org_id, uid) WHERE ((deleted_at IS NULL) AND (uid IS NOT NULL));
alter table application enable row level security;
create policy tenant on application using ((org_id = current_setting('posthorn.org'::text, true)));

create table application_share (
  app_id text collate "C" not null,
  claims jsonb not null,
  constraint application_share_pkey PRIMARY KEY (app_id)
);

create table attempt (
  id text collate "C" not null,
  org_id text collate "C" not null,
  app_id text collate "C" not null,
  msg_id text collate "C" not null,
  endpoint_id text collate "C" not null,
  run smallint not null,
  status smallint not null,
  final text,
  trigger smallint not null,
  cause text,
  response_status smallint not null,
  response bytea,
  duration_ms integer not null,
  next_at timestamp with time zone,
  url text not null,
  event_type text collate "C" not null,
  channels text[],
  tags text[],
  evidence text,
  created_at timestamp with time zone not null,
  constraint attempt_check CHECK (((final IS NULL) OR ((final = 'succeeded'::text) = (status = 0)))),
  constraint attempt_final_check CHECK ((final = ANY (ARRAY['succeeded'::text, 'dead'::text]))),
  constraint attempt_status_check CHECK ((status = ANY (ARRAY[0, 2]))),
  constraint attempt_trigger_check CHECK ((trigger = ANY (ARRAY[0, 1]))),
  constraint attempt_pkey PRIMARY KEY (msg_id, id)
) partition by RANGE (id);
CREATE INDEX attempt_endpoint ON ONLY public.attempt USING btree (endpoint_id, id);
CREATE INDEX attempt_final ON ONLY public.attempt USING btree (endpoint_id, msg_id) WHERE (final IS NOT NULL);
alter table attempt enable row level security;
create policy tenant on attempt using ((org_id = current_setting('posthorn.org'::text, true)));

create table closed (
  msg_id text collate "C" not null,
  endpoint_id text collate "C" not null,
  run smallint not null,
  app_id text collate "C" not null,
  org_id text collate "C" not null,
  event_type text collate "C" not null,
  state text not null,
  reason text not null,
  letter text,
  closed_at timestamp with time zone not null,
  changed_at timestamp with time zone not null,
  reviewed_by text,
  reviewed_at timestamp with time zone,
  note text,
  successor text collate "C",
  order_key text collate "C",
  seq bigint,
  blocks boolean not null default false,
  constraint closed_check CHECK (((state = 'dead'::text) = (letter IS NOT NULL))),
  constraint closed_letter_check CHECK ((letter = ANY (ARRAY['open'::text, 'replayed'::text, 'discarded'::text]))),
  constraint closed_state_check CHECK ((state = ANY (ARRAY['dead'::text, 'canceled'::text]))),
  constraint closed_pkey PRIMARY KEY (endpoint_id, msg_id, run)
);
CREATE INDEX closed_app ON public.closed USING btree (app_id, closed_at, msg_id);
CREATE INDEX closed_blocks ON public.closed USING btree (endpoint_id, order_key, msg_id) WHERE (blocks AND (letter = 'open'::text));
CREATE INDEX closed_msg ON public.closed USING btree (msg_id);
alter table closed enable row level security;
create policy tenant on closed using ((org_id = current_setting('posthorn.org'::text, true)));

create table draining (
  partition smallint not null,
  epoch bigint not null,
  node uuid not null,
  deadline timestamp with time zone not null,
  constraint draining_partition_fkey FOREIGN KEY (partition) REFERENCES partition(id),
  constraint draining_pkey PRIMARY KEY (partition, epoch, node)
);

create table endpoint (
  id text collate "C" not null,
  org_id text collate "C" not null,
  app_id text collate "C" not null,
  uid text collate "C",
  partition smallint not null,
  url text not null,
  description text not null default ''::text,
  rate_limit integer,
  version integer not null default 1,
  disabled boolean not null default false,
  disabled_reason text,
  event_types text[],
  channels text[],
  keys jsonb not null,
  headers bytea,
  metadata jsonb not null default '{}'::jsonb,
  owner_email text,
  retry_policy jsonb,
  created_at timestamp with time zone not null,
  updated_at timestamp with time zone not null,
  deleted_at timestamp with time zone,
  paused_at timestamp with time zone,
  paused_until timestamp with time zone,
  paused_reason text,
  fifo boolean not null default false,
  poison_policy text not null default 'skip'::text,
  constraint endpoint_paused_check CHECK (((paused_at IS NOT NULL) OR ((paused_until IS NULL) AND (paused_reason IS NULL)))) NOT VALID,
  constraint endpoint_poison_policy_check CHECK ((poison_policy = ANY (ARRAY['block'::text, 'skip'::text]))),
  constraint endpoint_rate_limit_check CHECK ((rate_limit > 0)),
  constraint endpoint_app_id_fkey FOREIGN KEY (app_id) REFERENCES application(id),
  constraint endpoint_pkey PRIMARY KEY (id)
);
CREATE INDEX endpoint_app ON public.endpoint USING btree (app_id, id) WHERE (deleted_at IS NULL);
CREATE INDEX endpoint_of_app ON public.endpoint USING btree (app_id, id);
CREATE INDEX endpoint_of_org ON public.endpoint USING btree (org_id, app_id) WHERE (deleted_at IS NULL);
CREATE UNIQUE INDEX endpoint_uid ON public.endpoint USING btree (app_id, uid) WHERE ((deleted_at IS NULL) AND (uid IS NOT NULL));
alter table endpoint enable row level security;
create policy tenant on endpoint using ((org_id = current_setting('posthorn.org'::text, true)));

create table environment (
  org_id text collate "C" not null,
  settings jsonb not null,
  updated_at timestamp with time zone not null,
  constraint environment_pkey PRIMARY KEY (org_id)
);
alter table environment enable row level security;
create policy tenant on environment using ((org_id = current_setting('posthorn.org'::text, true)));

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
  created_at timestamp with time zone not null,
  updated_at timestamp with time zone not null,
  priority smallint,
  constraint event_type_priority_check CHECK (((priority >= 0) AND (priority <= 2))),
  constraint event_type_pkey PRIMARY KEY (org_id, name)
);
alter table event_type enable row level security;
create policy tenant on event_type using ((org_id = current_setting('posthorn.org'::text, true)));

create table expansion (
  msg_id text collate "C" not null,
  app_id text collate "C" not null,
  org_id text collate "C" not null,
  partition smallint not null,
  priority smallint not null,
  bytes integer not null,
  endpoint_ids text[] not null,
  unfolded integer not null default 0,
  turn_at timestamp with time zone not null default statement_timestamp(),
  ordering_key text collate "C",
  seq bigint,
  constraint expansion_pkey PRIMARY KEY (msg_id)
);
CREATE INDEX expansion_class ON public.expansion USING btree (priority, turn_at, msg_id);
CREATE INDEX expansion_line ON public.expansion USING btree (app_id, seq) WHERE (seq IS NOT NULL);
CREATE INDEX expansion_turn ON public.expansion USING btree (turn_at, msg_id);
alter table expansion enable row level security;
create policy tenant on expansion using ((org_id = current_setting('posthorn.org'::text, true)));

create table idempotency (
  scope text collate "C" not null,
  key text collate "C" not null,
  request_hash text not null,
  status smallint,
  body bytea,
  created_at timestamp with time zone not null default now(),
  constraint idempotency_pkey PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_age ON public.idempotency USING btree (created_at);
alter table idempotency enable row level security;

create table installation (
  singleton boolean not null default true,
  id uuid not null default gen_random_uuid(),
  partitions smallint not null default 256,
  seal_check bytea,
  created_at timestamp with time zone not null default now(),
  constraint installation_singleton_check CHECK (singleton),
  constraint installation_pkey PRIMARY KEY (singleton)
);

create table lane (
  endpoint_id text collate "C" not null,
  org_id text collate "C" not null,
  partition smallint not null,
  next_due timestamp with time zone not null default 'infinity'::timestamp with time zone,
  version bigint not null default 0,
  blocked_until timestamp with time zone,
  blocked_reason text,
  failing_since timestamp with time zone,
  gone_since timestamp with time zone,
  constraint lane_blocked_reason_check CHECK ((blocked_reason = ANY (ARRAY['retry_after'::text, 'throttled'::text, 'gone'::text, 'failing'::text]))),
  constraint lane_check CHECK (((blocked_until IS NULL) = (blocked_reason IS NULL))),
  constraint lane_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES endpoint(id),
  constraint lane_pkey PRIMARY KEY (endpoint_id)
) with (fillfactor=70);
CREATE INDEX lane_due ON public.lane USING btree (partition, next_due, endpoint_id) WHERE (next_due < 'infinity'::timestamp with time zone);
alter table lane enable row level security;
create policy tenant on lane using ((org_id = current_setting('posthorn.org'::text, true)));

create table live (
  msg_id text collate "C" not null,
  endpoint_id text collate "C" not null,
  app_id text collate "C" not null,
  org_id text collate "C" not null,
  partition smallint not null,
  state text not null,
  priority smallint not null default 1,
  due_at timestamp with time zone not null,
  epoch bigint,
  node uuid,
  held_at timestamp with time zone,
  run smallint not null default 0,
  attempts smallint not null default 0,
  throttled smallint not null default 0,
  unknowns smallint not null default 0,
  bytes integer not null,
  policy jsonb,
  expires_at timestamp with time zone,
  order_key text collate "C",
  seq bigint,
  constraint live_check CHECK (((state = 'held'::text) = (node IS NOT NULL))),
  constraint live_check1 CHECK ((((node IS NULL) = (epoch IS NULL)) AND ((node IS NULL) = (held_at IS NULL)))),
  constraint live_order_check CHECK ((((priority > 2) = (order_key IS NOT NULL)) AND ((order_key IS NOT NULL) OR (seq IS NULL)))),
  constraint live_priority_check CHECK (((priority >= 0) AND (priority <= 5))),
  constraint live_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'held'::text]))),
  constraint live_pkey PRIMARY KEY (msg_id, endpoint_id)
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=20000, autovacuum_vacuum_insert_scale_factor=0, autovacuum_vacuum_insert_threshold=100000, autovacuum_analyze_scale_factor=0, autovacuum_analyze_threshold=50000, autovacuum_vacuum_cost_delay=0);
CREATE INDEX live_expires ON public.live USING btree (expires_at) WHERE ((expires_at IS NOT NULL) AND (state = 'waiting'::text));
CREATE INDEX live_held ON public.live USING btree (partition, epoch) WHERE (state = 'held'::text);
CREATE INDEX live_line ON public.live USING btree (endpoint_id, order_key, state, seq) WHERE (seq IS NOT NULL);
CREATE INDEX live_line_due ON public.live USING btree (endpoint_id, due_at) WHERE ((order_key IS NOT NULL) AND (state = 'waiting'::text) AND ((seq IS NULL) OR (((attempts + throttled) + unknowns) > 0)));
CREATE INDEX live_waiting ON public.live USING btree (endpoint_id, priority, due_at) WHERE (state = 'waiting'::text);
alter table live enable row level security;
create policy tenant on live using ((org_id = current_setting('posthorn.org'::text, true)));

create table message (
  id text collate "C" not null,
  app_id text collate "C" not null,
  org_id text collate "C" not null,
  event_type text collate "C" not null,
  event_id text collate "C",
  channels text[],
  tags text[],
  payload bytea,
  content_type text not null,
  payload_sha256 text,
  retention_days smallint not null,
  payload_until timestamp with time zone,
  occurred_at timestamp with time zone,
  created_at timestamp with time zone not null,
  idem_scope text collate "C",
  idem_key text collate "C",
  idem_hash text,
  deliver_at timestamp with time zone,
  expires_at timestamp with time zone,
  priority smallint,
  ordering_key text collate "C",
  constraint message_check CHECK ((((idem_key IS NULL) = (idem_scope IS NULL)) AND ((idem_key IS NULL) = (idem_hash IS NULL)))),
  constraint message_pkey PRIMARY KEY (app_id, id)
) partition by RANGE (id);
alter table message enable row level security;
create policy tenant on message using ((org_id = current_setting('posthorn.org'::text, true)));

create table node (
  id uuid not null,
  name text not null,
  started_at timestamp with time zone not null default now(),
  seen_at timestamp with time zone not null default now(),
  role text not null default 'all'::text,
  takes boolean not null default false,
  joined_at timestamp with time zone not null default now(),
  until timestamp with time zone not null default '-infinity'::timestamp with time zone,
  address text,
  constraint node_role_check CHECK ((role = ANY (ARRAY['all'::text, 'api'::text, 'worker'::text]))),
  constraint node_pkey PRIMARY KEY (id)
);

create table notice (
  id bigint not null,
  node uuid not null,
  endpoint_id text collate "C" not null,
  created_at timestamp with time zone not null default now(),
  constraint notice_pkey PRIMARY KEY (id)
);
CREATE INDEX notice_node ON public.notice USING btree (node, id);

create table operational_event (
  id bigint not null,
  org_id text collate "C" not null,
  type text collate "C" not null,
  payload text not null,
  created_at timestamp with time zone not null default now(),
  constraint operational_event_pkey PRIMARY KEY (id)
);
alter table operational_event enable row level security;
create policy tenant on operational_event using ((org_id = current_setting('posthorn.org'::text, true)));

create table partition (
  id smallint not null,
  epoch bigint not null default 0,
  node uuid,
  lease_until timestamp with time zone not null default '-infinity'::timestamp with time zone,
  constraint partition_check CHECK (((node IS NULL) = (lease_until = '-infinity'::timestamp with time zone))),
  constraint partition_pkey PRIMARY KEY (id)
) with (fillfactor=50);

create table poll_consumer (
  endpoint_id text collate "C" not null,
  protocol smallint not null,
  name text collate "C" not null,
  org_id text collate "C" not null,
  position text not null,
  handed text[] not null default '{}'::text[],
  first_offset bigint not null default 0,
  behind text,
  lease_until timestamp with time zone not null default '-infinity'::timestamp with time zone,
  version bigint not null default 0,
  updated_at timestamp with time zone not null default now(),
  constraint poll_consumer_check CHECK (((behind IS NULL) = (handed = '{}'::text[]))),
  constraint poll_consumer_protocol_check CHECK ((protocol = ANY (ARRAY[1, 2]))),
  constraint poll_consumer_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES endpoint(id),
  constraint poll_consumer_pkey PRIMARY KEY (endpoint_id, protocol, name)
);
alter table poll_consumer enable row level security;
create policy tenant on poll_consumer using ((org_id = current_setting('posthorn.org'::text, true)));

create table revocation (
  org_id text collate "C" not null,
  app_id text collate "C" not null,
  subject text collate "C" not null,
  issued_before timestamp with time zone not null,
  effective_at timestamp with time zone not null,
  until timestamp with time zone,
  changed_at timestamp with time zone not null default clock_timestamp(),
  constraint revocation_pkey PRIMARY KEY (app_id, subject, effective_at)
);
CREATE INDEX revocation_changed ON public.revocation USING btree (changed_at);
CREATE INDEX revocation_until ON public.revocation USING btree (until) WHERE (until IS NOT NULL);
alter table revocation enable row level security;

create table schema_migration (
  version integer not null,
  name text not null,
  checksum text not null,
  breaking boolean not null,
  applied_at timestamp with time zone not null default now(),
  constraint schema_migration_pkey PRIMARY KEY (version)
);

create table statistic_hour (
  endpoint_id text collate "C" not null,
  hour timestamp with time zone not null,
  event_type text collate "C" not null,
  app_id text collate "C" not null,
  org_id text collate "C" not null,
  ok bigint not null,
  failed bigint not null,
  delivered bigint not null,
  dead bigint not null,
  canceled bigint not null,
  constraint statistic_hour_pkey PRIMARY KEY (endpoint_id, hour, event_type)
);
CREATE INDEX statistic_hour_app ON public.statistic_hour USING btree (app_id, hour);
CREATE INDEX statistic_hour_at ON public.statistic_hour USING btree (hour);
alter table statistic_hour enable row level security;
create policy tenant on statistic_hour using ((org_id = current_setting('posthorn.org'::text, true)));

create table statistic_mark (
  singleton boolean not null default true,
  upto timestamp with time zone not null,
  constraint statistic_mark_singleton_check CHECK (singleton),
  constraint statistic_mark_pkey PRIMARY KEY (singleton)
);

create table statistic_minutes (
  app_id text collate "C" not null,
  at timestamp with time zone not null,
  event_type text collate "C" not null,
  org_id text collate "C" not null,
  ok bigint not null,
  failed bigint not null,
  canceled bigint not null,
  constraint statistic_minutes_pkey PRIMARY KEY (app_id, at, event_type)
);
alter table statistic_minutes enable row level security;
create policy tenant on statistic_minutes using ((org_id = current_setting('posthorn.org'::text, true)));

create table task (
  id text collate "C" not null,
  org_id text collate "C" not null,
  app_id text collate "C",
  kind text not null,
  status text not null,
  input jsonb not null,
  progress jsonb not null default '{}'::jsonb,
  created_at timestamp with time zone not null,
  updated_at timestamp with time zone not null,
  due_at timestamp with time zone not null default now(),
  constraint task_status_check CHECK ((status = ANY (ARRAY['running'::text, 'finished'::text, 'failed'::text]))),
  constraint task_pkey PRIMARY KEY (id)
);
CREATE INDEX task_org ON public.task USING btree (org_id, id);
CREATE INDEX task_running ON public.task USING btree (id) WHERE (status = 'running'::text);
alter table task enable row level security;
create policy tenant on task using ((org_id = current_setting('posthorn.org'::text, true)));

create table task_item (
  task_id text collate "C" not null,
  key text collate "C" not null,
  value jsonb not null,
  constraint task_item_task_id_fkey FOREIGN KEY (task_id) REFERENCES task(id) ON DELETE CASCADE,
  constraint task_item_pkey PRIMARY KEY (task_id, key)
);
alter table task_item enable row level security;
create policy tenant on task_item using ((EXISTS ( SELECT
   FROM task t
  WHERE (t.id = task_item.task_id))));

CREATE OR REPLACE FUNCTION public.id_floor(at timestamp with time zone)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE STRICT
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION public.is_observed(org text)
 RETURNS boolean
 LANGUAGE sql
 STABLE SECURITY DEFINER
RETURN ((org <> 'org_0000000000000000Operational'::text) AND ((SELECT (SELECT true FROM endpoint l WHERE ((l.app_id = o.id) AND (l.deleted_at IS NULL)) LIMIT 1) FROM application o WHERE ((o.org_id = 'org_0000000000000000Operational'::text) AND (o.uid = is_observed.org) AND (o.deleted_at IS NULL))) IS TRUE))
;

CREATE OR REPLACE FUNCTION public.leaf_make(day date)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
end $function$
;
