-- Nodes find each other in this table; one whose `until` has passed is gone.

alter table node
  add column role text not null default 'all' check (role in ('all', 'api', 'worker')),
  -- Takes partitions: counted when they are shared out.
  add column takes boolean not null default false,
  -- Since when it is here without a lapse: partitions move to a node only when it has proved steady.
  add column joined_at timestamptz not null default now(),
  add column until timestamptz not null default '-infinity';
