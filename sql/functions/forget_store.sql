-- A folder of checkpoints is gone for good: nothing in it counts any more, and what goes on from it
-- is trained again. Refused while a worker has the store.
create or replace function api.forget_store(store text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  lost jsonb;
begin
  if not exists (select from jobs.store t where t.id::text = store) then
    raise exception 'there is no checkpoint store "%"', store using errcode = 'JC002',
      hint = 'select id, path, host from report.store lists them';
  end if;
  perform api.internal_serialize();
  if exists (
    select from jobs.worker w where w.state <> 'gone' and store = any (w.stores)
      and w.seen_at > api.internal_now() - interval '5 minutes') then
    raise exception 'a worker has the checkpoint store "%": it is not lost', store
      using errcode = 'JC004', hint = 'stop that worker first; jobctl workers shows it';
  end if;
  lost := api.internal_lose(array(
    select c.id from jobs.checkpoint c
    where c.store_id = store and c.damaged_at is null and c.removed_at is null));
  perform api.internal_event('damaged',
    detail => jsonb_build_object('store', store, 'reason', 'the store is forgotten') || lost);
  return lost;
end $$;
