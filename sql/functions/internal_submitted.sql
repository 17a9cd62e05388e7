-- Checks what was copied since open_submission, and gives the number of the grid that it is for.
create or replace function api.internal_submitted() returns bigint
language plpgsql as $$
declare
  own   int;
  seeds bigint;
  found bigint;
begin
  -- Whoever submits may make temporary tables too: only ours are read with the owner's rights.
  select count(*) into own from pg_class c
  where c.relnamespace = pg_my_temp_schema() and c.relkind = 'r'
    and c.relowner = (select oid from pg_roles where rolname = current_user)
    and c.relname in ('submitted_grid', 'submitted_spec', 'submitted_setting', 'submitted_seed',
      'submitted_stage', 'submitted_digest');
  if own <> 6 then
    raise exception 'no submission is open' using errcode = 'JC004',
      hint = 'call api.open_submission first, in the same transaction';
  end if;
  analyze pg_temp.submitted_setting, pg_temp.submitted_seed, pg_temp.submitted_stage,
    pg_temp.submitted_digest;
  select count(*) into seeds from pg_temp.submitted_seed;
  if seeds * (select count(*) from pg_temp.submitted_setting) not between 1 and 1000000 then
    raise exception 'a submission has 1 to 1000000 runs, not %',
      seeds * (select count(*) from pg_temp.submitted_setting)
      using errcode = 'JC004', hint = 'submit it as several grids';
  end if;
  select count(*) into found from pg_temp.submitted_digest;
  if found <> seeds * (select count(*) from pg_temp.submitted_stage) then
    raise exception 'the submission has % digests, not one a stage and seed', found
      using errcode = 'JC004';
  end if;
  return (select id from pg_temp.submitted_grid);
end $$;
