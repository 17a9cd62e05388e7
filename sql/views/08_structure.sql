-- What every program asks first.
create or replace view report.schema_state as select version, digest from jobs.schema_state;
comment on view report.schema_state is
  'The number of migrations, and the digest of all SQL that made this schema.';

create or replace view report.run_stage as
select rs.run_id, r.grid_id, r.name::text as run, rs.position, rs.stage_id,
  r.cancelled_at is not null as is_cancelled
from jobs.run_stage rs join jobs.run r on r.id = rs.run_id;
comment on view report.run_stage is 'Which stages a run consists of, in order.';
