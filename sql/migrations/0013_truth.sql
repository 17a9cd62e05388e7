-- Views give learning rates and momenta as float8 now, of another type than before: they are made
-- anew behind this. A view of a user's own that reads one of them is not dropped with it: drop it
-- first, and create it again.
drop view if exists report.pair, report.cost, report.setting_curve, report.setting, report.sweep,
  report.grid, report.run, report.run_measurement, report.measurement, report.stage;

-- The digest of a stage names what trains it and how its data become numbers.
alter table jobs.stage
  add column backend text not null default 'native',
  add column preparation int not null default 1,
  add column probe jsonb;
comment on column jobs.stage.backend is 'What trains it; in its digest, and matched at claim.';
comment on column jobs.stage.preparation is
  'The version of how its data become numbers; in its digest, and matched at claim. 0 of tables '
  'that were planned before the digest had it, and were standardized in another way.';
comment on column jobs.stage.probe is
  'How the gradient noise is probed; of no influence on what is trained, and in no digest.';
update jobs.stage s
set probe = nullif(p.document -> 'gradient_probe', 'null')
from jobs.spec p
where p.digest = s.spec_digest and jsonb_typeof(p.document -> 'gradient_probe') = 'object';
update jobs.stage s
set preparation = 0
from jobs.spec p
where p.digest = s.spec_digest and p.document -> 'dataset' ->> 'name' = 'csv';

-- Ready stages with a reason: a worker has given them back.
create index stage_waits on jobs.stage (id)
  where state = 'ready' and (reason is not null or preparation = 0);
alter table jobs.worker add column missing_data jsonb not null default '{}';
comment on column jobs.worker.missing_data is
  'Digests of data sets that are wanted and that the worker cannot open, each with the reason.';

-- A run has a name of up to 400 bytes, since it names the values of all axes.
alter domain jobs.name drop constraint name_check;
alter domain jobs.name add constraint name_check
  check (octet_length(value) between 1 and 400 and value !~ '[^A-Za-z0-9._=+,-]');
alter table jobs.grid add constraint grid_name_is_short check (octet_length(name) <= 100);

-- The test accuracy decides whether a run is better than guessing.
alter table jobs.measurement
  add column test_samples bigint,
  add column test_commonest bigint,
  add column above_guessing boolean;
comment on column jobs.measurement.test_commonest is
  'Test samples of the commonest class: guessing it always is right so often.';
comment on column jobs.measurement.above_guessing is
  'Whether the test accuracy is above that of always guessing the commonest class, by a one-sided '
  'binomial test at 0.001. The worker decides it. Of earlier measurements it is reckoned with '
  'classes of equal size, by the normal approximation.';
update jobs.measurement m
set above_guessing = case when n.samples > 0 and n.classes > 1 then
    m.test_accuracy - 1.0 / n.classes
      > 3.09 * sqrt((1.0 / n.classes) * (1 - 1.0 / n.classes) / n.samples) end
from (
  select s.id, max(r.classes) as classes,
    coalesce((max(p.document -> 'dataset' ->> 'test'))::bigint,
      case max(p.document -> 'dataset' ->> 'name') when 'synthetic' then 1024 when 'csv' then 1000
        else 10000 end) as samples
  from jobs.stage s
  join jobs.spec p on p.digest = s.spec_digest
  join jobs.run_stage rs on rs.stage_id = s.id
  join jobs.run r on r.id = rs.run_id
  group by s.id) n
where n.id = m.stage_id and m.test_accuracy is not null;
