-- Final test accuracy by learning rate and schedule, over all runs that have these in common. Only
-- those that trained (outcome finished) are averaged; how many of how many stands beside.
create or replace view report.sweep as
select r.grid_id, r.grid, r.optimizer, r.variant, r.schedule, r.learning_rate, count(*) as runs,
  count(*) filter (where r.outcome = 'finished') as finished,
  count(*) filter (where r.outcome = 'diverged') as diverged,
  avg(r.test_accuracy) filter (where r.outcome = 'finished') as test_accuracy_mean,
  stddev_samp(r.test_accuracy) filter (where r.outcome = 'finished') as test_accuracy_deviation,
  min(r.test_accuracy) filter (where r.outcome = 'finished') as test_accuracy_least,
  max(r.test_accuracy) filter (where r.outcome = 'finished') as test_accuracy_most,
  avg(r.updates) filter (where r.outcome = 'finished') as updates_mean,
  count(*) filter (where r.outcome = 'collapsed') as collapsed,
  count(*) filter (where r.outcome = 'failed') as failed,
  count(*) filter (where r.outcome = 'missing') as missing
from report.run r
group by r.grid_id, r.grid, r.optimizer, r.variant, r.schedule, r.learning_rate;
comment on view report.sweep is
  'The sweep: mean final test accuracy of finished runs for each learning rate and schedule, over '
  'the seeds and whatever else the grid varies. report.setting keeps everything but seeds apart.';
