-- Deletes a grid with its runs, and every stage that no other run needs. Says which files are left
-- without a row.
create or replace function api.delete_grid(grid text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  grid_number bigint;
  orphans     bigint[];
  shared      bigint[];
  files       jsonb;
  run_count   int;
  texts       bigint[];
begin
  perform api.internal_serialize();
  grid_number := api.internal_grid(grid);
  select count(*) into run_count from jobs.run where grid_id = grid_number;
  select coalesce(array_agg(distinct rs.stage_id), '{}') into orphans
  from jobs.run_stage rs join jobs.run r on r.id = rs.run_id
  where r.grid_id = grid_number and not exists (
    select from jobs.run_stage o join jobs.run q on q.id = o.run_id
    where o.stage_id = rs.stage_id and q.grid_id <> grid_number);
  shared := array(select id from unnest(api.internal_chain(grid_number)) id
                  where id <> all (orphans));
  perform api.internal_lock(orphans || shared);
  if exists (select from jobs.stage where id = any (orphans) and state = 'running') then
    raise exception 'stages of grid "%" are running', grid
      using errcode = 'JC003', hint = 'cancel the grid first';
  end if;
  delete from jobs.run_stage rs using jobs.run r
  where r.id = rs.run_id and r.grid_id = grid_number;
  delete from jobs.run where grid_id = grid_number;
  delete from jobs.grid where id = grid_number;
  select coalesce(jsonb_agg(jsonb_build_object('store', store_id, 'file', file)), '[]') into files
  from jobs.checkpoint where stage_id = any (orphans);
  update jobs.stage set state = 'cancelled', checkpoint_id = null, worker_id = null
  where id = any (orphans);
  delete from jobs.checkpoint where stage_id = any (orphans);
  delete from jobs.attempt where stage_id = any (orphans);
  with gone as (delete from jobs.stage where id = any (orphans) returning identity_id)
  select coalesce(array_agg(distinct identity_id), '{}') into texts from gone;
  delete from jobs.identity i where i.id = any (texts) and not exists (
    select from jobs.stage s where s.identity_id = i.id);
  -- What other grids have left of it.
  perform api.internal_cancel_unwanted(shared);
  perform api.internal_prioritize(shared);
  perform api.internal_event('deleted', grid => grid_number, detail => jsonb_build_object(
    'name', grid, 'runs', run_count, 'stages', cardinality(orphans)));
  perform api.internal_disorder();
  return jsonb_build_object('runs', run_count, 'stages', cardinality(orphans),
    'checkpoints', files);
end $$;
