-- Programs of users' own train stages (docs/TRAINERS.md).

-- Who may submit them: a worker runs what they are made of.
do $$
begin
  if not exists (select from pg_roles where rolname = 'jobctl_trainers') then
    create role jobctl_trainers nologin;
  end if;
  grant jobctl_trainers to jobctl_owner;
exception
  -- Another database of this cluster is migrated in the same moment.
  when duplicate_object or unique_violation then null;
  when insufficient_privilege then
    raise exception 'migrating makes the role "jobctl_trainers", which this login may not'
      using errcode = 'insufficient_privilege',
      hint = 'migrate as a role with CREATEROLE, or have somebody make jobctl_trainers first, and '
        'grant it to jobctl_owner';
end $$;

create table jobs.code (
  digest      jobs.digest primary key,
  archive     bytea not null check (octet_length(archive) between 1 and 80 << 20),
  created_at  timestamptz not null default clock_timestamp(),
  check (digest = encode(sha256(archive), 'hex'))
);
comment on table jobs.code is
  'Folders of code as zip files, which submit has packed. The digest is the SHA-256 of the zip '
  'file; the server checks it, so no login can store one folder under the digest of another.';

alter table jobs.attempt add column log text check (octet_length(log) <= 65536);
comment on column jobs.attempt.log is
  'The end of what the attempt''s program has written; null where the engine trained.';

alter table jobs.measurement add column numbers jsonb check (jsonb_typeof(numbers) = 'object');
comment on column jobs.measurement.numbers is
  'Further numbers that a trainer has measured, by their names.';
