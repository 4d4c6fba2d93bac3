-- What an organisation with operational endpoints is to be told: written with the change itself, posted as
-- a message to its operational application and deleted by the owner of partition 0.
create table operational_event (
  id bigint generated always as identity primary key,
  org_id text collate "C" not null,
  type text collate "C" not null,
  -- JSON, as it is sent.
  payload text not null,
  created_at timestamptz not null default now()
);

-- Tokens of applications that have been taken back. Every process that answers keeps them in memory.
create table revocation (
  org_id text collate "C" not null,
  app_id text collate "C" not null,
  -- '*': all tokens of the application; 'session …': those of a session; 'token …': the one with that digest.
  subject text collate "C" not null,
  -- Tokens that were made before this moment …
  issued_before timestamptz not null,
  -- … do not hold from this moment on.
  effective_at timestamptz not null,
  -- Nothing that it concerns can be valid any more; null: nobody knows.
  until timestamptz,
  changed_at timestamptz not null default clock_timestamp(),
  primary key (app_id, subject, effective_at)
);
create index revocation_changed on revocation (changed_at);
create index revocation_until on revocation (until) where until is not null;
