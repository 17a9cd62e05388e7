-- A data set is its content's digest. Where it lies, as each submission said: a file may be
-- renamed, and a login may say what is not true. No description displaces another.
create table jobs.dataset_place (
  digest      jobs.digest not null references jobs.dataset,
  description jsonb not null
);
create unique index dataset_place_once on jobs.dataset_place (digest, md5(description::text));
comment on table jobs.dataset_place is
  'What submissions have said of a data set: its name, its file. Workers try each.';
insert into jobs.dataset_place(digest, description) select digest, description from jobs.dataset;

-- A view of a user's own that reads one of these is not dropped with it: that migration fails and
-- names it.
drop view if exists report.missing_data;
drop view if exists report.dataset;
alter table jobs.dataset drop column description;
