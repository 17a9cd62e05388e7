-- The state of a stage that is not being trained, by its parent's state: ready, blocked or skipped.
-- The parent is not locked: the function that ends the parent moves its children afterwards.
create or replace function api.internal_place(parent bigint) returns text
language sql stable as $$
  select coalesce((select case when p.state = 'done' then 'ready'
      when p.state in ('diverged', 'failed', 'skipped') then 'skipped' else 'blocked' end
    from jobs.stage p where p.id = parent), 'ready')
$$;
