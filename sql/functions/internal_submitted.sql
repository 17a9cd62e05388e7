-- Checks what was copied since open_submission, and gives the grid that it is of. Leaves two tables
-- until the commit: stage_content and stage_digest (internal_contents).
create or replace function api.internal_submitted() returns jsonb
language plpgsql as $$
declare
  own      int;
  settings bigint;
  seeds    bigint;
  stages   bigint;
begin
  -- Whoever submits may make temporary tables too: only ours are read with the owner's rights.
  select count(*) into own from pg_class c
  where c.relnamespace = pg_my_temp_schema() and c.relkind = 'r'
    and c.relowner = (select oid from pg_roles where rolname = current_user)
    and c.relname in ('submitted_grid', 'submitted_spec', 'submitted_setting', 'submitted_seed',
      'submitted_stage');
  if own <> 5 then
    raise exception 'no submission is open' using errcode = 'JC004',
      hint = 'call api.open_submission first, in the same transaction';
  end if;
  analyze pg_temp.submitted_setting, pg_temp.submitted_seed, pg_temp.submitted_stage;
  select count(*) into settings from pg_temp.submitted_setting;
  select count(*) into seeds from pg_temp.submitted_seed;
  select count(*) into stages from pg_temp.submitted_stage;
  if seeds * settings not between 1 and 1000000 then
    raise exception 'a submission has 1 to 1000000 runs, not %', seeds * settings
      using errcode = 'JC004', hint = 'submit it as several grids';
  end if;
  if exists (
      select from (
        select 'setting' as what, number, settings as n from pg_temp.submitted_setting
        union all select 'seed', number, seeds from pg_temp.submitted_seed
        union all select 'stage', number, stages from pg_temp.submitted_stage) all_numbers
      group by what, n
      having min(number) is distinct from 0 or max(number) <> n - 1
        or count(distinct number) <> n)
    or exists (select from pg_temp.submitted_stage where parent not between 0 and number - 1)
    or exists (
      select from pg_temp.submitted_setting g, unnest(g.chain) link
      where link is null or link not between 0 and stages - 1)
    or exists (
      select from pg_temp.submitted_setting g
      cross join unnest(g.chain) with ordinality as link(stage, position)
      join pg_temp.submitted_stage t on t.number = link.stage
      where t.parent is distinct from g.chain[link.position - 1])
  then
    raise exception 'settings, seeds and stages are numbered from 0, parents before children, and '
      'chains go from parent to child' using errcode = 'JC004';
  end if;
  perform api.internal_contents();
  perform api.internal_refuse_trainers();
  return (select header from pg_temp.submitted_grid);
end $$;
