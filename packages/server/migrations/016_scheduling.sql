--! no-transaction
-- When a message is due, and after when it must not be sent any more. Costs what nobody uses nothing: nulls,
-- and an index whose condition they do not meet.

alter table message
  add column if not exists deliver_at timestamptz,
  add column if not exists expires_at timestamptz;

alter table live add column if not exists expires_at timestamptz;

create index concurrently if not exists live_expires on live (expires_at)
  where expires_at is not null and state = 'waiting';

-- `failing`: the lane waits before it tries again whether its receiver has come back.
alter table lane drop constraint if exists lane_blocked_reason_check;

alter table lane add constraint lane_blocked_reason_check
  check (blocked_reason in ('retry_after', 'throttled', 'gone', 'failing')) not valid;

alter table lane validate constraint lane_blocked_reason_check;
