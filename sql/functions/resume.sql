-- Goes on with a paused grid, or with the whole queue; grids that are paused by themselves stay so.
create or replace function api.resume(grid text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  grid_number bigint;
  chain       bigint[];
begin
  perform api.internal_serialize();
  if grid is null then
    update jobs.queue set paused_at = null, paused_by = null;
    perform api.internal_event('resumed');
    perform api.internal_disorder();
    perform api.internal_notify();
    return jsonb_build_object('stages',
      (select count(*) from jobs.stage where state = 'ready' and not held));
  end if;
  grid_number := api.internal_grid(grid);
  update jobs.grid set paused_at = null where id = grid_number;
  chain := api.internal_chain(grid_number);
  perform api.internal_prioritize(chain);
  perform api.internal_event('resumed', grid => grid_number);
  perform api.internal_disorder();
  perform api.internal_notify();
  return jsonb_build_object('stages', (select count(*) from jobs.stage
    where id = any (chain) and not held and state in ('blocked', 'ready', 'running')));
end $$;
