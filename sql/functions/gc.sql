-- Gives up checkpoints from which no stage will go on. The policy says what is kept of finished
-- stages:
--   stage-ends  the end of every stage
--   last        the latest end that each run has reached
--   final       each run's own end
-- Every policy keeps the checkpoints from which a stage that may still be trained goes on: the two
-- newest of its own, and its parent's end. Packed code that no stage needs is removed too. Returns
-- the files that are left without a row; the caller removes them after this is committed.
create or replace function api.gc(policy text, store text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  given_up bigint[];
  result   jsonb;
begin
  if policy not in ('stage-ends', 'last', 'final') then
    raise exception 'there is no policy "%"', policy using errcode = 'JC004',
      hint = 'stage-ends, last or final';
  end if;
  perform api.internal_serialize();
  given_up := array(
    select c.id from jobs.checkpoint c
    join jobs.stage s on s.id = c.stage_id
    where c.store_id = store and c.removed_at is null and (
      c.damaged_at is not null
      -- Inside of a stage that is over for good.
      or (s.state in ('done', 'diverged') and s.checkpoint_id is distinct from c.id)
      -- Older than the two newest of a stage that goes on, or may.
      or (s.state not in ('done', 'diverged') and (
        select count(*) from jobs.checkpoint o
        where o.stage_id = c.stage_id and o.damaged_at is null and o.removed_at is null
          and (o.samples, o.id) > (c.samples, c.id)) >= 2)
      or (policy = 'final' and s.state = 'cancelled')
      -- The end of a stage.
      or (policy <> 'stage-ends' and s.state = 'done' and s.checkpoint_id = c.id
        -- No child goes on from it, or may once it is retried or wanted again.
        and not exists (
          select from jobs.stage d where d.parent_id = s.id and (
            d.state in ('blocked', 'ready', 'running', 'failed', 'parked')
            or (policy = 'last' and d.state in ('cancelled', 'skipped'))))
        -- It is no run's own end.
        and not exists (
          select from jobs.run_stage rs join jobs.run r on r.id = rs.run_id
          where rs.stage_id = s.id and r.samples <= s.end_samples)
        -- It is not the last that a run has reached.
        and (policy = 'final' or not exists (
          select from jobs.run_stage rs
          where rs.stage_id = s.id and not exists (
            select from jobs.run_stage further join jobs.stage f on f.id = further.stage_id
            where further.run_id = rs.run_id and further.position > rs.position
              and f.state = 'done'))))));
  -- Whoever writes for these stages waits until this is over.
  perform from jobs.stage s
  where s.id in (select c.stage_id from jobs.checkpoint c where c.id = any (given_up))
  order by s.id for no key update;
  update jobs.checkpoint c set removed_at = api.internal_now()
  from jobs.stage s
  where c.id = any (given_up) and s.id = c.stage_id
    -- A stage that is trained, perhaps since a moment ago, goes on from one of its newest.
    and (s.state <> 'running' or c.damaged_at is not null or (
      select count(*) from jobs.checkpoint o
      where o.stage_id = c.stage_id and o.damaged_at is null and o.removed_at is null
        and (o.samples, o.id) > (c.samples, c.id)) >= 2);
  -- A submission that is under way has locked the code that it needs.
  delete from jobs.code c
  where c.digest in (
    select o.digest from jobs.code o
    where not exists (
      select from jobs.spec p join jobs.stage s on s.spec_digest = p.digest
      where p.document #>> '{trainer,code}' = o.digest::text)
    for update skip locked);
  result := (
    select jsonb_build_object('policy', policy, 'files', coalesce(jsonb_agg(jsonb_build_object(
      'file', c.file, 'bytes', c.bytes, 'stage', c.stage_id) order by c.id), '[]'))
    from jobs.checkpoint c
    where c.id = any (given_up) and c.removed_at is not null);
  perform api.internal_event('collected', detail => jsonb_build_object(
    'policy', policy, 'store', store, 'checkpoints', jsonb_array_length(result -> 'files')));
  return result;
end $$;
