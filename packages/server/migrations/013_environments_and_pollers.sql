-- An organisation's settings: what an export carries beside event types. Kept as they were imported.
create table environment (
  org_id text collate "C" primary key,
  settings jsonb not null,
  updated_at timestamptz not null
);

-- How far a consumer of a polling endpoint is. `position` is what it has confirmed; what was handed to it
-- since (second protocol only) is `handed`, numbered from `first_offset`, and `behind` is where reading
-- goes on once all of that is confirmed.
create table poll_consumer (
  endpoint_id text collate "C" not null references endpoint (id),
  protocol smallint not null check (protocol in (1, 2)),
  name text collate "C" not null,
  org_id text collate "C" not null,
  position text not null,
  handed text[] not null default '{}',
  first_offset bigint not null default 0,
  behind text,
  lease_until timestamptz not null default '-infinity',
  version bigint not null default 0,
  updated_at timestamptz not null default now(),
  primary key (endpoint_id, protocol, name),
  check ((behind is null) = (handed = '{}'))
);
