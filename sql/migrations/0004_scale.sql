-- What a queue of a million stages needs.
drop index jobs.stage_ready;
create index stage_ready on jobs.stage ((-priority::bigint), id) where state = 'ready' and not held;

-- Runs of a stage in order, however many there are.
drop index jobs.run_stage_stage;
create index run_stage_stage on jobs.run_stage (stage_id, run_id);

create sequence jobs.disorder;
create sequence jobs.rescue_clock;
create sequence jobs.next_look;
comment on sequence jobs.disorder is 'Counts changes of the order in which stages are claimed.';
comment on sequence jobs.rescue_clock is 'When leases were last looked at, in milliseconds.';
comment on sequence jobs.next_look is
  'When claims look at all ready stages again, in milliseconds.';
