-- Whether an attempt has ended like this already: an accepted write may be sent twice.
create or replace function api.internal_ended_so(stage bigint, attempt_number int, how text)
returns boolean
language sql stable set search_path = pg_catalog, jobs, pg_temp as $$
  select exists (select from jobs.attempt a where a.stage_id = stage and a.attempt = attempt_number
                 and a.outcome = how)
$$;
