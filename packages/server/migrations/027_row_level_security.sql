--! no-transaction
-- A second wall between tenants. Who owns the tables (every process of ours) passes it; a role that does not, sees and
-- writes the rows of the organisation that its session names, and without a name none. The API works in such a role
-- where it can be had (src/store/tenant-role.ts).

drop policy if exists tenant on application;
create policy tenant on application using (org_id = current_setting('posthorn.org', true));
alter table application enable row level security;

drop policy if exists tenant on endpoint;
create policy tenant on endpoint using (org_id = current_setting('posthorn.org', true));
alter table endpoint enable row level security;

drop policy if exists tenant on event_type;
create policy tenant on event_type using (org_id = current_setting('posthorn.org', true));
alter table event_type enable row level security;

drop policy if exists tenant on environment;
create policy tenant on environment using (org_id = current_setting('posthorn.org', true));
alter table environment enable row level security;

drop policy if exists tenant on task;
create policy tenant on task using (org_id = current_setting('posthorn.org', true));
alter table task enable row level security;

drop policy if exists tenant on message;
create policy tenant on message using (org_id = current_setting('posthorn.org', true));
alter table message enable row level security;

drop policy if exists tenant on attempt;
create policy tenant on attempt using (org_id = current_setting('posthorn.org', true));
alter table attempt enable row level security;

drop policy if exists tenant on live;
create policy tenant on live using (org_id = current_setting('posthorn.org', true));
alter table live enable row level security;

drop policy if exists tenant on lane;
create policy tenant on lane using (org_id = current_setting('posthorn.org', true));
alter table lane enable row level security;

drop policy if exists tenant on closed;
create policy tenant on closed using (org_id = current_setting('posthorn.org', true));
alter table closed enable row level security;

drop policy if exists tenant on expansion;
create policy tenant on expansion using (org_id = current_setting('posthorn.org', true));
alter table expansion enable row level security;

drop policy if exists tenant on operational_event;
create policy tenant on operational_event using (org_id = current_setting('posthorn.org', true));
alter table operational_event enable row level security;

drop policy if exists tenant on poll_consumer;
create policy tenant on poll_consumer using (org_id = current_setting('posthorn.org', true));
alter table poll_consumer enable row level security;

drop policy if exists tenant on statistic_hour;
create policy tenant on statistic_hour using (org_id = current_setting('posthorn.org', true));
alter table statistic_hour enable row level security;

drop policy if exists tenant on statistic_minutes;
create policy tenant on statistic_minutes using (org_id = current_setting('posthorn.org', true));
alter table statistic_minutes enable row level security;

-- What a task found is seen by who sees the task.
drop policy if exists tenant on task_item;
create policy tenant on task_item using (exists (select from task t where t.id = task_id));
alter table task_item enable row level security;

-- Of these nothing is for tenants; revocations are kept in the memory of every process.
alter table revocation enable row level security;
alter table idempotency enable row level security;

-- Whether somebody listens to an organisation's operational events: they are another organisation's rows. Its names
-- are bound here and now, so that nobody's search path has a say.
create or replace function is_observed(org text) returns boolean language sql stable security definer
return org <> 'org_0000000000000000Operational' and (
  select (select true from endpoint l where l.app_id = o.id and l.deleted_at is null limit 1)
  from application o
  where o.org_id = 'org_0000000000000000Operational' and o.uid = org and o.deleted_at is null) is true;
