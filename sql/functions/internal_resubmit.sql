-- The same grid once more: cancelled runs live again.
create or replace function api.internal_resubmit(grid bigint) returns jsonb
language plpgsql as $$
#variable_conflict use_variable
declare
  chain   bigint[];
  revived int;
begin
  update jobs.run set cancelled_at = null where grid_id = grid and cancelled_at is not null;
  chain := api.internal_chain(grid);
  revived := api.internal_revive(chain);
  perform api.internal_settle(api.internal_unearth(chain));
  perform api.internal_prioritize(chain);
  perform api.internal_event('resubmitted', grid => grid,
    detail => jsonb_build_object('revived', revived));
  perform api.internal_disorder();
  perform api.internal_notify();
  return jsonb_build_object('grid', (select name from jobs.grid where id = grid), 'id', grid,
    'runs', (select count(*) from jobs.run where grid_id = grid),
    'stages', jsonb_build_object('created', 0,
      'shared', (select count(*) from (select from jobs.run_stage rs
         join jobs.run r on r.id = rs.run_id where r.grid_id = grid
         group by rs.stage_id having count(*) > 1) several),
      'reused', cardinality(chain)),
    'unchanged', true, 'revived', revived,
    'failed', (select count(*) from jobs.stage where id = any (chain)
               and state in ('failed', 'parked')));
end $$;
