--! no-transaction
-- The class of a message that is not normal, for its replays and for whoever reads it; null costs nothing.
-- And what the messages of an event type have that say nothing of it.

alter table message add column if not exists priority smallint;

alter table event_type add column if not exists priority smallint
  constraint event_type_priority_check check (priority between 0 and 2);

-- Large fan-outs take turns inside their class.
create index concurrently if not exists expansion_class on expansion (priority, turn_at, msg_id);
