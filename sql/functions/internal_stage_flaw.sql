-- Why a stage is not what the text of its digest says, null where it is. Of stages that differ in
-- the seed alone one answer holds for all.
create or replace function api.internal_stage_flaw(stage jobs.stage, document jsonb, identity text)
returns text
language sql immutable as $$
  select case
    when api.internal_is_law(stage.law, i.law) is not true or stage.batch <> i.batch
      then 'its law is another'
    when api.internal_trained_spec(document) is distinct from i.spec then 'its spec is another'
    when stage.dataset_digest is distinct from i.dataset then 'its data set is another'
    when stage.end_samples <> i.end_samples or stage.start_updates + stage.updates <> i.updates
      then 'it ends elsewhere'
    when (stage.numerics_version, stage.backend, stage.preparation)
        is distinct from (i.numerics_version, i.backend, i.preparation)
      then 'its numerics are of another version'
    when stage.ghost <> least(i.ghost, i.batch) then 'its ghost batch is another'
    when not (api.internal_is_near(stage.learning_rate, f.learning_rate)
        and api.internal_is_near(stage.learning_rate_end, f.learning_rate_end)
        and api.internal_is_near(stage.momentum, f.momentum))
      then 'its learning rate or momentum is not that of its law'
    when not (api.internal_is_near(stage.noise_scale, f.noise_scale)
        and api.internal_is_near(stage.noise_scale_exact, f.noise_scale_exact))
      then 'its noise scale is not that of its law'
  end
  from api.internal_identity(identity) i
  cross join lateral api.internal_law_figures(stage.law, i.optimizer, stage.start_samples,
    stage.end_samples, api.internal_samples_per_epoch(stage)) f
$$;
