-- Grids and the whole queue can be paused.
alter table jobs.grid add column paused_at timestamptz;

alter table jobs.stage add column held boolean not null default false;
comment on column jobs.stage.held is
  'Every live run that wants it belongs to a paused grid: it is not claimed, and handed back.';
drop index jobs.stage_ready;
create index stage_ready on jobs.stage (priority desc, id) where state = 'ready' and not held;

create table jobs.queue (
  one       boolean primary key default true check (one),
  paused_at timestamptz,
  paused_by text
);
insert into jobs.queue default values;
comment on table jobs.queue is 'What is true of the queue as a whole: one row.';
