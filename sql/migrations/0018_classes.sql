-- Reports name the classes, as the submission's jobctl read them with the data.
alter table jobs.grid add column class_names jsonb
  check (jsonb_typeof(class_names) = 'object');
comment on column jobs.grid.class_names is
  'Names of the classes of each data set, in the order of the network''s outputs, by the data '
  'set''s digest; null where the submission gave none.';

-- As the foreign keys that migration 17 dropped: it cost 3 us a row. One submission makes the rows
-- on both sides in one transaction, and report.contradiction looks.
alter table jobs.stage drop constraint stage_parent_id_fkey;
