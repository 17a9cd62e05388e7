-- What a worker must have to train what is ready, or may be rescued in the next moment: each data
-- set with all that submissions have said of it.
create or replace function api.datasets_wanted() returns table(digest text, description jsonb)
language sql stable security definer set search_path = pg_catalog, jobs, pg_temp
-- A plan that was made while a table was small would read all of it for ever.
set enable_seqscan = off as $$
  select d.digest::text, d.description from jobs.dataset_place d
  where exists (select from jobs.stage s where s.state in ('ready', 'running')
    and s.dataset_digest = d.digest)
$$;
