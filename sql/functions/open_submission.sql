-- Begins the submission of a planned grid. Tables are open for COPY until the end of the
-- transaction:
--
--   pg_temp.submitted_spec     what stages have in common
--   pg_temp.submitted_setting  points of all axes but the seed, numbered from 0, with their chains
--   pg_temp.submitted_seed     every setting is run with every seed; numbered from 0
--   pg_temp.submitted_stage    stages of a setting, numbered from 0, parents before children, each
--                              with the text that its digests are taken of
--
-- close_submission() then makes runs and stages of them, in the same transaction. Nothing is locked
-- until then, however long sending takes.
create or replace function api.open_submission(submission jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
begin
  if (submission ->> 'format')::int is distinct from 3 then
    raise exception 'this queue takes submissions of format 3' using errcode = 'JC004',
      hint = 'use the jobctl that the queue was migrated with, or migrate it';
  end if;
  if submission ->> 'name' ~ '^[0-9]+$'
    and not exists (select from jobs.grid g where g.name = submission ->> 'name')
  then
    raise exception 'a grid''s name is not digits alone: commands would take it for a number'
      using errcode = 'JC004';
  end if;

  drop table if exists pg_temp.submitted_grid, pg_temp.submitted_spec, pg_temp.submitted_setting,
    pg_temp.submitted_seed, pg_temp.submitted_stage;
  create temp table submitted_grid on commit drop as select submission as header;
  -- Workers read the documents: none is larger or deeper than the planner makes it.
  create temp table submitted_spec (like api.submitted_spec,
    check (octet_length(document) <= 65536
      and not jsonb_path_exists(document::jsonb, '$.**{16 to last}'))) on commit drop;
  create temp table submitted_setting (like api.submitted_setting,
    check (cardinality(chain) > 0 and samples_per_epoch > 0)) on commit drop;
  create temp table submitted_seed (like api.submitted_seed,
    check (seed between 0 and 1::bigint << 53)) on commit drop;
  create temp table submitted_stage (like api.submitted_stage,
    check (octet_length(law::text) <= 65536 and not jsonb_path_exists(law, '$.**{8 to last}')
      and octet_length(probe::text) <= 1024 and not jsonb_path_exists(probe, '$.**{4 to last}')),
    check (octet_length(identity) <= 1048576 and memory_bytes >= 0)) on commit drop;
  -- Types of schema api have the same names.
  grant insert on pg_temp.submitted_spec, pg_temp.submitted_setting, pg_temp.submitted_seed,
    pg_temp.submitted_stage to public;
end $$;
