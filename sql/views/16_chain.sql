-- Which stages the runs of a grid have, with the data of each.
create or replace view report.chain as
select rs.grid_id, rs.run_id, rs.position, rs.stage_id, s.dataset_digest
from report.run_stage rs join report.stage s on s.id = rs.stage_id;
comment on view report.chain is 'Stages of runs in their order, with the digest of their data.';
