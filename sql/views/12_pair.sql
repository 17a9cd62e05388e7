-- Two settings at one seed: what paired comparisons are made of.
create or replace view report.pair as
select a.grid_id, a.grid, a.seed, a.setting as setting_a, b.setting as setting_b,
  a.outcome as outcome_a, b.outcome as outcome_b,
  a.test_accuracy as test_accuracy_a, b.test_accuracy as test_accuracy_b,
  case when a.outcome = 'finished' and b.outcome = 'finished'
    then b.test_accuracy - a.test_accuracy end as difference,
  (select count(*) from jobs.run_stage x join jobs.run_stage y on y.stage_id = x.stage_id
   where x.run_id = a.run_id and y.run_id = b.run_id) as stages_shared
from report.run a
join report.run b on b.grid_id = a.grid_id and b.seed = a.seed and b.position > a.position;
comment on view report.pair is
  'Pairs of runs of a grid with the same seed; difference is b minus a where both trained. As many '
  'as settings squared: ask for one grid.';
