-- Rescues from the workers that have been silent for so long. Who is heard renews all leases of its
-- stages, or gives them back, so that only the stages of the silent are looked at: where somebody's
-- transaction stays open, ended stages stay among the running ones, and reading them all is long.
create or replace function api.internal_rescue_silent(silence interval) returns int
language plpgsql as $$
#variable_conflict use_variable
declare
  at       timestamptz := api.internal_now();
  stages   bigint[];
  attempts int[];
begin
  -- Worker by worker and stage by stage (offset 0): plans are made while the tables are empty, and
  -- would else read all attempts for each stage.
  select array_agg(s.id), array_agg(s.attempt) into stages, attempts
  from jobs.worker w
  cross join lateral (
    select r.id, r.attempt from jobs.stage r
    where r.worker_id = w.id and r.state = 'running' offset 0) s
  cross join lateral (
    select true from jobs.attempt a
    where a.stage_id = s.id and a.attempt = s.attempt and a.lease_until < at offset 0) a
  where w.state <> 'gone' and w.seen_at < at - silence;
  if stages is null then return 0; end if;
  return api.internal_rescue(stages, attempts);
end $$;
