-- What a node has to know before somebody else's change of configuration is answered. It deletes the row
-- when it goes by the new configuration: that is the confirmation.

create table notice (
  id bigint generated always as identity primary key,
  node uuid not null,
  endpoint_id text collate "C" not null,
  created_at timestamptz not null default now()
);
create index notice_node on notice (node, id);
