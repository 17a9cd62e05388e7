-- Everything below a stage that can no longer become ready.
create or replace function api.internal_skip_below(stage bigint) returns void
language sql set search_path = pg_catalog, jobs, pg_temp as $$
  with recursive below as (
    select s.id from jobs.stage s where s.parent_id = stage
    union all
    select s.id from jobs.stage s join below b on s.parent_id = b.id
  )
  update jobs.stage set state = 'skipped' where id in (select id from below) and state = 'blocked'
$$;
