-- The tables of the queue. What they mean is said in comments on them; what changes them are the
-- functions of schema api, and nothing else.
create schema if not exists jobs;
create schema if not exists api;
create schema if not exists report;

create table jobs.migration (
  number     int primary key,
  name       text not null,
  digest     text not null,
  applied_at timestamptz not null default now()
);

create table jobs.schema_state (
  one     boolean primary key default true check (one),
  version int not null,
  digest  text not null
);
comment on table jobs.schema_state is
  'What the schema is now: the number of migrations, and the digest of all SQL that made it.';

create domain jobs.name as text check (value ~ '^[A-Za-z0-9._=+,-]{1,100}$');
create domain jobs.digest as text check (value ~ '^[0-9a-f]{64}$');

create table jobs.grid (
  id             bigint generated always as identity primary key,
  name           jobs.name not null unique,
  content_digest jobs.digest not null,
  document       jsonb not null,
  priority       int not null default 0,
  submitted_by   text not null default session_user,
  submitted_at   timestamptz not null default clock_timestamp()
);

create table jobs.spec (
  digest   jobs.digest primary key,
  document jsonb not null
);
comment on table jobs.spec is
  'What all stages of a run have in common: network, data, optimizer, seed, ghost batch.';

create table jobs.dataset (
  digest      jobs.digest primary key,
  description jsonb not null
);

create table jobs.store (
  id         jobs.name primary key,
  path       text not null,
  host       text not null,
  created_at timestamptz not null default clock_timestamp()
);
comment on table jobs.store is 'Folders of checkpoint files.';

create table jobs.worker (
  id               bigint generated always as identity primary key,
  name             text not null,
  host             text not null,
  pid              int not null,
  version          text not null,
  numerics_version int not null,
  fingerprint      text not null,
  slots            int not null check (slots > 0),
  threads          int not null check (threads > 0),
  stores           text[] not null,
  state            text not null default 'idle' check (state in ('idle', 'busy', 'gone')),
  started_at       timestamptz not null default clock_timestamp(),
  seen_at          timestamptz not null default clock_timestamp()
) with (fillfactor = 70);
create index worker_idle on jobs.worker (id) where state = 'idle';

create table jobs.stage (
  id                bigint generated always as identity primary key,
  digest            jobs.digest not null unique,
  parent_id         bigint references jobs.stage,
  spec_digest       jobs.digest not null references jobs.spec,
  dataset_digest    jobs.digest references jobs.dataset,
  numerics_version  int not null,
  memory_bytes      bigint not null,
  pinned            boolean not null default false,
  state             text not null check (state in ('blocked', 'ready', 'running', 'done',
                      'diverged', 'failed', 'parked', 'skipped', 'cancelled')),
  priority          int not null default 0,
  attempt           int not null default 0 check (attempt >= 0),
  worker_id         bigint references jobs.worker,
  failures          int not null default 0,
  crashes           int not null default 0,
  crash_streak      int not null default 0,
  preemptions       int not null default 0,
  reason            text,
  not_before        timestamptz,
  start_samples     bigint not null check (start_samples >= 0),
  end_samples       bigint not null,
  start_updates     bigint not null,
  updates           bigint not null check (updates > 0),
  batch             bigint not null check (batch > 0),
  ghost             bigint not null check (ghost > 0),
  learning_rate     real not null,
  learning_rate_end real not null,
  law               jsonb not null,
  momentum          real,
  noise_scale       float8,
  noise_scale_exact float8,
  epochs            float8 not null,
  checkpoint_id     bigint,
  created_at        timestamptz not null default clock_timestamp(),
  finished_at       timestamptz,
  check (end_samples > start_samples),
  check (parent_id is not null or start_samples = 0),
  check ((state = 'running') = (worker_id is not null)),
  check ((state = 'done') = (checkpoint_id is not null)),
  check (state not in ('diverged', 'failed', 'parked') or reason is not null),
  check (state <> 'running' or attempt > 0)
) with (fillfactor = 80);
create index stage_ready on jobs.stage (priority desc, id) where state = 'ready';
create index stage_running on jobs.stage (worker_id) where state = 'running';
create index stage_parent on jobs.stage (parent_id);
comment on column jobs.stage.digest is
  'Names the state at the stage''s end, however the way was cut.';
comment on column jobs.stage.pinned is
  'Some run wants it trained on machines of one numerics fingerprint only.';
comment on column jobs.stage.attempt is
  'Number of the latest attempt; it only grows. Every write of a worker carries it (fencing).';
comment on column jobs.stage.state is
'blocked: its parent is not done. Left when that is done (ready), diverged or failed (skipped).
ready: may be claimed. Left by claim (running) or cancel.
running: a worker holds its lease. Left by finish (done), diverge, fail (ready, failed), release
(ready), rescue (ready, parked), cancel, and by report_damage (ready, blocked).
done: its end''s checkpoint is registered. Left only when that checkpoint is found damaged (ready).
diverged: a loss, gradient or statistic was not finite. A result: nothing leads out of it.
failed: an error that another try does not mend, or the third failure. Left by retry.
parked: crashed five times in a row without progress. Left by retry.
skipped: an ancestor diverged, failed or was parked for good. Left when that ancestor is retried.
cancelled: no live run wants it. Left when a submission or a retry wants it again.';

create table jobs.run (
  id            bigint generated always as identity primary key,
  grid_id       bigint not null references jobs.grid on delete cascade,
  name          jobs.name not null,
  position      int not null,
  seed          bigint not null,
  labels        jsonb not null,
  learning_rate real not null,
  schedule      text not null,
  optimizer     text not null,
  variant       jobs.name,
  updates       bigint not null,
  samples       bigint not null,
  epochs        float8 not null,
  cancelled_at  timestamptz,
  unique (grid_id, name)
);

create table jobs.run_stage (
  run_id   bigint not null references jobs.run on delete cascade,
  position int not null,
  stage_id bigint not null references jobs.stage,
  primary key (run_id, position)
);
create index run_stage_stage on jobs.run_stage (stage_id);

create table jobs.attempt (
  stage_id           bigint not null references jobs.stage on delete cascade,
  attempt            int not null,
  worker_id          bigint not null references jobs.worker,
  claimed_at         timestamptz not null default clock_timestamp(),
  lease_until        timestamptz not null,
  ended_at           timestamptz,
  outcome            text check (outcome in ('finished', 'diverged', 'failed', 'crashed',
                       'preempted', 'cancelled', 'damaged')),
  updates_from       bigint not null,
  updates_to         bigint not null,
  samples_to         bigint not null,
  seconds            float8 not null default 0,
  samples_per_second real,
  threads            int,
  peak_memory_bytes  bigint,
  fingerprint        text,
  reason             text,
  primary key (stage_id, attempt),
  check ((ended_at is null) = (outcome is null))
) with (fillfactor = 70);
comment on table jobs.attempt is
  'One claim of a stage by a worker. The lease and the progress of a running stage live here, in '
  'narrow rows; updates_from and updates_to are positions since the stage''s start.';

create table jobs.checkpoint (
  id                bigint generated always as identity primary key,
  stage_id          bigint not null references jobs.stage on delete cascade,
  attempt           int not null,
  store_id          text not null references jobs.store,
  file              jobs.name not null,
  samples           bigint not null,
  updates           bigint not null,
  final             boolean not null,
  bytes             bigint not null,
  digest            jobs.digest not null,
  fingerprint       text not null,
  parameters_digest jobs.digest not null,
  created_at        timestamptz not null default clock_timestamp(),
  damaged_at        timestamptz,
  removed_at        timestamptz,
  unique (store_id, file)
);
create index checkpoint_stage on jobs.checkpoint (stage_id, samples desc);
comment on table jobs.checkpoint is 'The only authority on which checkpoint files count.';

create table jobs.measurement (
  stage_id            bigint not null references jobs.stage on delete cascade,
  samples             bigint not null,
  attempt             int not null,
  epoch               float8 not null,
  updates             bigint not null,
  batch               bigint not null,
  learning_rate       real not null,
  noise_scale         float8,
  train_loss          float8,
  train_accuracy      float8,
  test_loss           float8,
  test_accuracy       float8,
  validation_loss     float8,
  validation_accuracy float8,
  seconds             float8 not null,
  peak_memory_bytes   bigint,
  primary key (stage_id, samples)
);

create table jobs.event (
  id        bigint generated always as identity primary key,
  at        timestamptz not null default clock_timestamp(),
  actor     text not null default session_user,
  kind      text not null,
  grid_id   bigint,
  run_id    bigint,
  stage_id  bigint,
  worker_id bigint,
  detail    jsonb
);
create index event_stage on jobs.event (stage_id);
comment on table jobs.event is 'Who did what, when. Rows outlive what they speak of.';
