-- How the rate of an application is shared: for each node what it holds, what it wants it for, and until when.
create table application_share (
  app_id text collate "C" primary key,
  claims jsonb not null
);
