-- Every statement that writes a row of a table reads the table's checks from their stored text
-- first, one by one: a tenth of the time of a claim and a finish. One short check a table is left,
-- of what changes; what a stage is made of is checked where it comes in (api.open_submission).
do $$
declare
  old record;
begin
  for old in
    select c.conrelid::regclass as of, c.conname from pg_constraint c
    where c.contype = 'c' and c.conrelid in (
      'jobs.stage'::regclass, 'jobs.attempt'::regclass, 'jobs.worker'::regclass)
  loop
    execute format('alter table %s drop constraint %I', old.of, old.conname);
  end loop;
end $$;

create function jobs.stage_is_sound(
  state text, attempt int, worker_id bigint, checkpoint_id bigint, reason text) returns boolean
-- In plpgsql, which keeps the expression between statements.
language plpgsql immutable parallel safe as $$
begin
  return (state = 'running') = (worker_id is not null)
    and (state = 'done') = (checkpoint_id is not null)
    and case
      when state in ('blocked', 'ready', 'done', 'skipped', 'cancelled') then attempt >= 0
      when state = 'running' then attempt > 0
      when state in ('diverged', 'failed', 'parked') then reason is not null
      else false end;
end $$;
alter table jobs.stage add constraint stage_is_sound
  check (jobs.stage_is_sound(state, attempt, worker_id, checkpoint_id, reason));

alter table jobs.attempt add constraint attempt_is_sound
  check ((ended_at is null) = (outcome is null));

alter table jobs.worker add constraint worker_is_sound check (
  state in ('idle', 'busy', 'gone') and slots > 0 and threads > 0);

-- As of those of 0008: each looks the stage up again that the writing function holds locked.
-- api.delete_grid deletes what they did; report.contradiction looks.
alter table jobs.attempt drop constraint attempt_stage_id_fkey;
alter table jobs.checkpoint drop constraint checkpoint_stage_id_fkey;

-- Stages without a parent, which many grids have alone, need no entry at each change. Children are
-- found in the order in which they are locked.
drop index jobs.stage_parent;
create index stage_parent on jobs.stage (parent_id, id) where parent_id is not null;
-- And stages that need no data set, none among those that are wanted.
drop index jobs.stage_wanted;
create index stage_wanted on jobs.stage (dataset_digest)
  where state in ('ready', 'running') and dataset_digest is not null;

-- A bounded repetition made the expression forty times as slow.
alter domain jobs.name drop constraint name_check;
alter domain jobs.name add constraint name_check
  check (octet_length(value) between 1 and 100 and value !~ '[^A-Za-z0-9._=+,-]');
