-- Puts stages that wait for their parents where their parents' states say they belong.
create or replace function api.internal_settle(stages bigint[]) returns void
language plpgsql as $$
#variable_conflict use_variable
begin
  perform api.internal_lock(stages);
  -- Parents stand before their children, so the lowest generation settles first.
  loop
    update jobs.stage s
    set state = case
        when p.id is null or p.state = 'done' then 'ready'
        when p.state in ('diverged', 'failed', 'skipped') then 'skipped'
        else 'blocked' end,
      reason = null
    from jobs.stage s2 left join jobs.stage p on p.id = s2.parent_id
    where s2.id = s.id and s.id = any (stages) and s.state in ('blocked', 'ready', 'skipped')
      and s.state <> case
        when p.id is null or p.state = 'done' then 'ready'
        when p.state in ('diverged', 'failed', 'skipped') then 'skipped'
        else 'blocked' end;
    exit when not found;
  end loop;
end $$;
