-- A worker says that it stops. What it could not give back itself goes back to the queue.
create or replace function api.retire_worker(worker bigint) returns void
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
begin
  perform api.internal_give_back(s.id, s.attempt, 'its worker stopped') from (
    select r.id, r.attempt from jobs.stage r
    where r.worker_id = worker and r.state = 'running' order by r.id offset 0) s;
  update jobs.worker set state = 'gone', seen_at = api.internal_now()
  where id = worker and state <> 'gone';
  if found then perform api.internal_event('worker stopped', worker => worker); end if;
end $$;
