-- Handles a submission whose grid is in the queue already: its cancelled runs become live again.
-- Returns null if there is no grid of this name. Raises an error if the grid of this name comes
-- from another file, or if its runs were planned otherwise.
create or replace function api.internal_resubmit(submission jsonb) returns jsonb
language plpgsql as $$
#variable_conflict use_variable
declare
  grid_row jobs.grid;
  chain    bigint[];
  revived  int;
begin
  select * into grid_row from jobs.grid g where g.name = submission ->> 'name';
  if not found then return null; end if;
  if grid_row.content_digest <> submission ->> 'content_digest' then
    raise exception 'there is another grid named "%"', grid_row.name
      using errcode = 'JC001', hint = 'give this one another name, or delete that one first';
  end if;
  if (submission ->> 'sets_priority')::boolean then
    update jobs.grid set priority = (submission ->> 'priority')::int where id = grid_row.id;
  end if;
  if exists (
      select from pg_temp.submitted_setting g
      cross join pg_temp.submitted_seed d
      join pg_temp.stage_digest e
        on e.stage = g.chain[cardinality(g.chain)] and e.seed = d.number
      full join (
        select r.name, s.digest from jobs.run r
        join lateral (select rs.stage_id from jobs.run_stage rs where rs.run_id = r.id
                      order by rs.position desc limit 1) last on true
        join jobs.stage s on s.id = last.stage_id
        where r.grid_id = grid_row.id) run
        on run.name = concat_ws(',', nullif(g.name, ''), 'seed=' || d.seed)
          and run.digest = e.digest
      where run.name is null or e.digest is null)
  then
    raise exception 'grid "%" was submitted from the same file, and planned otherwise',
      grid_row.name using errcode = 'JC001', hint = 'its data are others, or it was planned by '
        'another version of jobctl: give this one another name, or delete that one first';
  end if;
  update jobs.run set cancelled_at = null
  where grid_id = grid_row.id and cancelled_at is not null;
  chain := api.internal_chain(grid_row.id);
  revived := api.internal_revive(chain);
  perform api.internal_settle(api.internal_train_again(chain));
  perform api.internal_prioritize(chain);
  perform api.internal_event('resubmitted', grid => grid_row.id,
    detail => jsonb_build_object('revived', revived));
  perform api.internal_disorder();
  perform api.internal_notify();
  return jsonb_build_object('grid', grid_row.name, 'id', grid_row.id,
    'runs', (select count(*) from jobs.run where grid_id = grid_row.id),
    'stages', jsonb_build_object('created', 0,
      'shared', (select count(*) from (select from jobs.run_stage rs
         join jobs.run r on r.id = rs.run_id where r.grid_id = grid_row.id
         group by rs.stage_id having count(*) > 1) several),
      'reused', cardinality(chain)),
    'unchanged', true, 'revived', revived,
    'failed', (select count(*) from jobs.stage where id = any (chain)
               and state in ('failed', 'parked')));
end $$;
