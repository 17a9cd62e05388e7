-- Parked stages are tried again: those of a grid, one by its number, or all.
create or replace function api.unpark(grid text default null, stage bigint default null)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  grid_number bigint;
  chosen      bigint[];
  touched     bigint[];
begin
  perform api.internal_serialize();
  if grid is not null then grid_number := api.internal_grid(grid); end if;
  chosen := array(
    select s.id from jobs.stage s where s.state = 'parked' and exists (
        select from jobs.run_stage rs join jobs.run r on r.id = rs.run_id
        where rs.stage_id = s.id and r.cancelled_at is null)
      and (stage is null or s.id = stage)
      and (grid_number is null or s.id = any (api.internal_chain(grid_number))));
  if stage is not null and cardinality(chosen) = 0 then
    raise exception 'stage % is not parked, or no live run wants it', stage using errcode = 'JC002';
  end if;
  touched := array(
    with recursive below as (
      select unnest(chosen) as id
      union
      select s.id from jobs.stage s join below b on s.parent_id = b.id
    ) select id from below);
  perform api.internal_lock(touched);
  update jobs.stage set state = 'blocked', reason = null, crash_streak = 0, not_before = null
  where id = any (chosen) and state = 'parked';
  perform api.internal_settle(api.internal_train_again(touched));
  perform api.internal_event('unparked', grid => grid_number, stage => stage,
    detail => jsonb_build_object('stages', cardinality(chosen)));
  perform api.internal_disorder();
  perform api.internal_notify();
  return jsonb_build_object('stages', cardinality(chosen));
end $$;
