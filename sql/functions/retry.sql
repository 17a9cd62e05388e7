-- Failed, parked and cancelled stages are tried again, and what was skipped below them.
create or replace function api.retry(grid text, run text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  grid_number bigint;
  chain       bigint[];
  touched     bigint[];
  n           int;
  revived     int;
begin
  perform api.internal_serialize();
  grid_number := api.internal_grid(grid);
  if retry.run is not null
    and not exists (select from jobs.run r where r.grid_id = grid_number and r.name = retry.run)
  then
    raise exception 'grid "%" has no run "%"', grid, retry.run using errcode = 'JC002';
  end if;
  update jobs.run r set cancelled_at = null
  where r.grid_id = grid_number and (retry.run is null or r.name = retry.run)
    and r.cancelled_at is not null;
  get diagnostics revived = row_count;
  select coalesce(array_agg(distinct rs.stage_id), '{}') into chain
  from jobs.run_stage rs join jobs.run r on r.id = rs.run_id
  where r.grid_id = grid_number and (retry.run is null or r.name = retry.run);
  -- Other runs' stages below the retried ones are skipped no longer, either.
  touched := array(
    with recursive below as (
      select unnest(chain) as id
      union
      select s.id from jobs.stage s join below b on s.parent_id = b.id
    ) select id from below);
  perform api.internal_lock(touched);
  update jobs.stage
  set state = 'blocked', reason = null, failures = 0, crash_streak = 0, not_before = null
  where id = any (chain) and state in ('failed', 'parked', 'cancelled');
  get diagnostics n = row_count;
  perform api.internal_settle(api.internal_train_again(touched));
  perform api.internal_prioritize(chain);
  perform api.internal_event('retried', grid => grid_number,
    detail => jsonb_build_object('run', retry.run, 'stages', n, 'revived', revived));
  perform api.internal_disorder();
  perform api.internal_notify();
  return jsonb_build_object('stages', n, 'runs', revived);
end $$;
