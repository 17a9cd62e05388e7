-- Gives a worker up to `slots` ready stages that it can train, with all that training needs.
create or replace function api.claim(worker bigint, slots int, request jsonb, lease interval)
returns setof jsonb
language plpgsql set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  datasets text[] := array(select jsonb_array_elements_text(request -> 'datasets'));
  stores   text[] := array(select jsonb_array_elements_text(request -> 'stores'));
  picked   bigint;
  taken    jobs.stage;
  resume   jobs.checkpoint;
begin
  perform api.rescue();
  for picked in
    select s.id from jobs.stage s
    where s.state = 'ready'
      and (s.not_before is null or s.not_before <= clock_timestamp())
      and s.numerics_version = (request ->> 'numerics_version')::int
      and (s.dataset_digest is null or s.dataset_digest = any (datasets))
      and s.memory_bytes <= (request ->> 'memory_bytes')::numeric
      and (request ->> 'grid' is null or exists (
        select from jobs.run_stage rs join jobs.run r on r.id = rs.run_id
        join jobs.grid g on g.id = r.grid_id
        where rs.stage_id = s.id and g.name = request ->> 'grid' and r.cancelled_at is null))
      and coalesce((select c.store_id = any (stores)
                      and (not s.pinned or c.fingerprint = request ->> 'fingerprint')
                    from api.internal_resume(s.id) c where c.id is not null), true)
    order by s.priority desc, s.id
    limit slots
    for no key update of s skip locked
  loop
    update jobs.stage
    set state = 'running', attempt = attempt + 1, worker_id = worker, not_before = null,
        reason = null
    where id = picked returning * into taken;
    select * into resume from api.internal_resume(picked);
    insert into jobs.attempt(stage_id, attempt, worker_id, lease_until, updates_from, updates_to,
      samples_to, threads, fingerprint)
    select picked, taken.attempt, worker, clock_timestamp() + lease, u, u,
      coalesce(resume.samples, taken.start_samples), (request ->> 'threads')::int,
      request ->> 'fingerprint'
    from (select case when resume.stage_id = picked then resume.updates - taken.start_updates
                      else 0 end as u) at;
    return next jsonb_build_object(
      'stage', taken.id, 'attempt', taken.attempt, 'digest', taken.digest,
      'spec', (select document from jobs.spec where digest = taken.spec_digest),
      'law', taken.law, 'start_samples', taken.start_samples, 'end_samples', taken.end_samples,
      'start_updates', taken.start_updates, 'updates', taken.updates, 'batch', taken.batch,
      'ghost', taken.ghost, 'priority', taken.priority,
      'lease_seconds', extract(epoch from lease),
      'resume', case when resume.id is null then null else jsonb_build_object(
        'checkpoint', resume.id, 'stage', resume.stage_id, 'attempt', resume.attempt,
        'store', resume.store_id, 'file', resume.file, 'digest', resume.digest,
        'bytes', resume.bytes, 'samples', resume.samples, 'updates', resume.updates,
        'of_parent', resume.stage_id <> taken.id) end,
      'grids', (select jsonb_agg(distinct g.name) from jobs.run_stage rs
        join jobs.run r on r.id = rs.run_id join jobs.grid g on g.id = r.grid_id
        where rs.stage_id = taken.id and r.cancelled_at is null),
      'runs', (select jsonb_agg(name) from (select r.name from jobs.run_stage rs
        join jobs.run r on r.id = rs.run_id
        where rs.stage_id = taken.id and r.cancelled_at is null order by r.id limit 20) named));
  end loop;
end $$;
