-- Roles of a cluster, which logins are made members of: what each may do is said in sql/grants.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['jobctl_owner', 'jobctl_submitter', 'jobctl_worker',
    'jobctl_reporter'] loop
    begin
      if not exists (select from pg_roles where rolname = wanted) then
        execute format('create role %I nologin', wanted);
      end if;
    exception
      -- Another database of this cluster is migrated in the same moment.
      when duplicate_object or unique_violation then null;
      when insufficient_privilege then
        raise exception 'migrating makes the role "%", which this login may not', wanted
          using errcode = 'insufficient_privilege',
          hint = 'migrate as a role with CREATEROLE, or have somebody make jobctl_owner, '
            'jobctl_submitter, jobctl_worker and jobctl_reporter first';
    end;
  end loop;
end $$;
