-- Everything below a stage that can no longer become ready.
create or replace function api.internal_skip_below(stage bigint) returns void
language plpgsql as $$
#variable_conflict use_variable
declare
  doomed bigint[] := array(
    with recursive below as (
      select s.id from jobs.stage s where s.parent_id = stage
      union all
      select s.id from jobs.stage s join below b on s.parent_id = b.id
    ) select id from below);
begin
  perform api.internal_lock(doomed);
  update jobs.stage set state = 'skipped' where id = any (doomed) and state = 'blocked';
end $$;
