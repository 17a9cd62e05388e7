-- Begins the submission of a planned grid. A grid that is there already with the same content says
-- all at once: what was cancelled lives again. For a new one nothing is given back, and tables are
-- open for COPY until the end of the transaction:
--
--   pg_temp.submitted_spec     what stages have in common
--   pg_temp.submitted_setting  points of all axes but the seed, numbered from 0, with their chains
--   pg_temp.submitted_seed     every setting is run with every seed; numbered from 0
--   pg_temp.submitted_stage    stages of a setting, numbered from 0, parents before children
--   pg_temp.submitted_digest   of every stage with every seed
--
-- close_submission() then makes runs and stages of them, in the same transaction. Nothing is locked
-- until then, however long sending takes.
create or replace function api.open_submission(submission jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  result jsonb;
begin
  if (submission ->> 'format')::int is distinct from 2 then
    raise exception 'this queue takes submissions of format 2' using errcode = 'JC004',
      hint = 'use the jobctl that the queue was migrated with, or migrate it';
  end if;
  if exists (select from jobs.grid g where g.name = submission ->> 'name') then
    perform api.internal_serialize();
    result := api.internal_resubmit(submission);
    -- Unless somebody deleted it while we waited.
    if result is not null then return result; end if;
  end if;

  if submission ->> 'name' ~ '^[0-9]+$' then
    raise exception 'a grid''s name is not digits alone: commands would take it for a number'
      using errcode = 'JC004';
  end if;

  drop table if exists pg_temp.submitted_grid, pg_temp.submitted_spec, pg_temp.submitted_setting,
    pg_temp.submitted_seed, pg_temp.submitted_stage, pg_temp.submitted_digest;
  create temp table submitted_grid on commit drop as select submission as header;
  -- Workers read the documents: none is larger or deeper than the planner makes it.
  create temp table submitted_spec (like api.submitted_spec,
    check (octet_length(document::text) <= 65536
      and not jsonb_path_exists(document, '$.**{16 to last}'))) on commit drop;
  create temp table submitted_setting (like api.submitted_setting,
    check (cardinality(chain) > 0)) on commit drop;
  create temp table submitted_seed (like api.submitted_seed,
    check (seed between 0 and 1::bigint << 53)) on commit drop;
  create temp table submitted_stage (like api.submitted_stage,
    check (octet_length(law::text) <= 65536 and not jsonb_path_exists(law, '$.**{8 to last}')
      and octet_length(probe::text) <= 1024 and not jsonb_path_exists(probe, '$.**{4 to last}')),
    -- Here, where it comes in: jobs.stage would check it again at every change of its state.
    check (start_samples >= 0 and end_samples > start_samples and end_samples <= 1::bigint << 53
      and updates > 0 and batch > 0 and ghost between 1 and 65536 and memory_bytes >= 0
      and start_updates >= 0 and end_samples - start_samples = updates::numeric * batch
      and (parent is not null or start_samples = 0 and start_updates = 0))) on commit drop;
  create temp table submitted_digest (like api.submitted_digest) on commit drop;
  -- Types of schema api have the same names.
  grant insert on pg_temp.submitted_spec, pg_temp.submitted_setting, pg_temp.submitted_seed,
    pg_temp.submitted_stage, pg_temp.submitted_digest to public;
  return null;
end $$;
