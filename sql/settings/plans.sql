-- Settings of the query planner for the functions that workers call. Sessions keep their plans, and
-- a plan may be made while a table is still empty or few stages seem to be ready. So these settings
-- switch off the plans that would read a whole table.
do $$
declare
  called regprocedure;
begin
  foreach called in array array['api.claim(jsonb, interval)',
    'api.finish_and_claim(bigint, int, jsonb, jsonb, jsonb, jsonb, interval)',
    'api.finish(bigint, int, jsonb, jsonb, jsonb)', 'api.record(bigint, int, jsonb)',
    'api.register_checkpoint(bigint, int, jsonb, jsonb, jsonb)',
    'api.diverge(bigint, int, text, jsonb, jsonb)', 'api.fail(bigint, int, text, boolean, jsonb)',
    'api.release(bigint, int, text, interval, jsonb)',
    'api.heartbeat(bigint, jsonb, boolean, interval)', 'api.rescue()',
    'api.retire_worker(bigint)']::regprocedure[]
  loop
    execute format('alter function %s set plan_cache_mode = force_generic_plan '
      'set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off '
      'set enable_material = off set jit = off', called);
  end loop;
  -- A claim that may sort would sort all that is ready.
  foreach called in array array['api.claim(jsonb, interval)',
    'api.finish_and_claim(bigint, int, jsonb, jsonb, jsonb, jsonb, interval)',
    'api.finish(bigint, int, jsonb, jsonb, jsonb)']::regprocedure[]
  loop
    execute format('alter function %s set enable_sort = off', called);
  end loop;
end $$;
