-- Every stage, with its parent, its worker and the progress of its current attempt. Rates are kept
-- in single precision; as float8 of their decimals they equal what people write (0.1).
create or replace view report.stage as
select s.id, s.digest::text as digest, s.parent_id, s.state, s.priority, s.attempt, s.failures,
  s.crashes, s.preemptions,
  case when s.state = 'running' then a.reason else s.reason end as reason,
  s.start_samples, s.end_samples, s.start_updates, s.updates,
  s.batch, s.ghost, s.learning_rate::text::float8 as learning_rate,
  s.learning_rate_end::text::float8 as learning_rate_end, s.momentum::text::float8 as momentum,
  s.noise_scale,
  s.noise_scale_exact, s.epochs, w.name as worker, a.updates_to as updates_done,
  a.samples_to as samples_done, a.samples_per_second, a.threads, s.created_at, s.finished_at,
  (select count(*) from jobs.run_stage rs where rs.stage_id = s.id) as runs,
  c.parameters_digest::text as parameters_digest, s.checkpoint_id, s.held, s.seed,
  s.dataset_digest::text as dataset_digest, s.numerics_version, s.memory_bytes, s.law, s.backend,
  s.preparation,
  (select sp.document #>> '{dataset,name}' from jobs.spec sp where sp.digest = s.spec_digest)
    as dataset,
  s.identity_id is not null as is_verifiable
from jobs.stage s
left join jobs.worker w on w.id = s.worker_id
left join jobs.attempt a on a.stage_id = s.id and a.attempt = s.attempt
left join jobs.checkpoint c on c.id = s.checkpoint_id;
comment on view report.stage is
  'Stages: what is trained, once each, and how far it is. is_verifiable: the text of its digest is '
  'kept, so that the digest can be computed again.';
