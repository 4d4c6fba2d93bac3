--! no-transaction
-- Hourly counts are kept for 401 days: what is older is found by its hour.
create index concurrently if not exists statistic_hour_at on statistic_hour (hour);
