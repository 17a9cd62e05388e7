-- Something became ready, or changed its place, before stages that were taken already: claims look
-- from the start again.
create or replace function api.internal_disorder() returns void
language sql as $$ select nextval('jobs.disorder') $$;
