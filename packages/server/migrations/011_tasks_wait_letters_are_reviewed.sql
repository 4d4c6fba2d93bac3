-- A task may have to wait for something (deliveries in flight) before it goes on; who looked at a dead
-- letter, when, what they noted, and which message an edited replay made.

alter table task add column due_at timestamptz not null default now();

alter table closed
  add column reviewed_by text,
  add column reviewed_at timestamptz,
  add column note text,
  add column successor text collate "C";
