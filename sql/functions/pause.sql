-- Stops work on a grid, or on everything: nothing of it is claimed, and what runs is checkpointed
-- and given back. A stage that a grid which is not paused wants goes on.
create or replace function api.pause(grid text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  grid_number bigint;
  chain       bigint[];
begin
  perform api.internal_serialize();
  if grid is null then
    update jobs.queue set paused_at = coalesce(paused_at, api.internal_now()),
      paused_by = coalesce(paused_by, session_user);
    perform api.internal_event('paused');
    return jsonb_build_object('stages',
      (select count(*) from jobs.stage where state in ('ready', 'running')),
      'running', (select count(*) from jobs.stage where state = 'running'));
  end if;
  grid_number := api.internal_grid(grid);
  update jobs.grid set paused_at = coalesce(paused_at, api.internal_now()) where id = grid_number;
  chain := api.internal_chain(grid_number);
  perform api.internal_prioritize(chain);
  perform api.internal_disorder();
  perform api.internal_event('paused', grid => grid_number);
  return jsonb_build_object('stages', (select count(*) from jobs.stage
      where id = any (chain) and held and state in ('blocked', 'ready', 'running')),
    'running', (select count(*) from jobs.stage
      where id = any (chain) and held and state = 'running'));
end $$;
