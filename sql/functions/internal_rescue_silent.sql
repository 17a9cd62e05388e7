-- Rescues stages of workers that have been silent for so long. A worker that is heard renews the
-- leases of all its stages or gives them back, so its stages need no check. Reading all running
-- stages would be slow: while a transaction stays open, dead entries of ended stages stay among
-- them in the index.
create or replace function api.internal_rescue_silent(silence interval) returns int
language plpgsql as $$
#variable_conflict use_variable
declare
  at       timestamptz := api.internal_now();
  stages   bigint[];
  attempts int[];
begin
  -- Worker by worker (offset 0): the plan is made while the tables are empty, and might else read
  -- all that runs for each.
  select array_agg(s.id), array_agg(s.attempt) into stages, attempts
  from jobs.worker w
  cross join lateral (
    select r.id, r.attempt from jobs.stage r
    where r.worker_id = w.id and r.state = 'running' offset 0) s
  where w.state <> 'gone' and w.seen_at < at - silence;
  return api.internal_rescue(stages, attempts);
end $$;
