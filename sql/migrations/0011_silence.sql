-- Whose leases run out is looked for worker by worker.
create index worker_present on jobs.worker (id) where state <> 'gone';
alter table jobs.worker add column swept_at timestamptz not null default clock_timestamp();
comment on column jobs.worker.swept_at is
  'When its heartbeats last looked for stages whose claim it never heard of.';
create sequence jobs.rescue_all_clock;
comment on sequence jobs.rescue_clock is
  'When leases of silent workers are looked at again, in milliseconds.';
comment on sequence jobs.rescue_all_clock is
  'When all leases are looked at again, in milliseconds.';
