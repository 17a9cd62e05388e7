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

drop view if exists report.missing_data cascade;
drop view if exists report.dataset cascade;
alter table jobs.dataset drop column description;
