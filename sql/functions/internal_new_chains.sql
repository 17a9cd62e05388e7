-- Says which stages the runs of a submission consist of: the deepest one that exists with its own
-- ancestors, then new ones. The run of setting s with seed k has number first_run + s * seeds + k.
-- Gives the stages that existed.
create or replace function api.internal_new_chains(first_run bigint, seeds bigint)
returns bigint[]
language plpgsql as $$
#variable_conflict use_variable
declare
  known bigint[];
begin
  drop table if exists pg_temp.ancestor;
  create temp table ancestor on commit drop as
    with recursive above as (
      select d.setting, d.seed, d.id, 1 as height from pg_temp.deepest d
      union all
      select a.setting, a.seed, s.parent_id, a.height + 1
      from above a join jobs.stage s on s.id = a.id where s.parent_id is not null
    )
    select *, max(height) over (partition by setting, seed) as height_of_run from above;
  analyze pg_temp.ancestor;

  insert into jobs.run_stage(run_id, position, stage_id)
  select first_run + setting * seeds + seed, height_of_run - height + 1, id
  from pg_temp.ancestor
  union all
  select first_run + c.setting * seeds + n.seed,
    c.position - coalesce(d.position, 0) + coalesce(a.height_of_run, 0), n.id
  from pg_temp.chain_link c
  join pg_temp.new_stage n on n.stage = c.stage
  left join pg_temp.deepest d on d.setting = c.setting and d.seed = n.seed
  left join pg_temp.ancestor a on a.setting = d.setting and a.seed = d.seed and a.height = 1
  where c.position > coalesce(d.position, 0)
  order by 1, 2;
  select coalesce(array_agg(distinct id), '{}') into known from pg_temp.ancestor;
  return known;
end $$;
