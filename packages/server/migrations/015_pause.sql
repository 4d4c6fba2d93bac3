-- A paused endpoint gets new deliveries, and all of them wait. Nothing has to be written when a pause
-- ends by itself: whoever reads it compares the time.

alter table endpoint
  add column paused_at timestamptz,
  add column paused_until timestamptz,
  add column paused_reason text,
  add constraint endpoint_paused_check check (paused_at is not null or (paused_until is null and paused_reason is null)) not valid;
