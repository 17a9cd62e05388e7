-- Where a stage waits that nobody trains: by its parent's state. The parent is not locked: whoever
-- ends it moves its children afterwards.
create or replace function api.internal_place(parent bigint) returns text
language sql stable as $$
  select coalesce((select case when p.state = 'done' then 'ready'
      when p.state in ('diverged', 'failed', 'skipped') then 'skipped' else 'blocked' end
    from jobs.stage p where p.id = parent), 'ready')
$$;
