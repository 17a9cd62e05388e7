-- Stages are counted by state without reading them.
create index stage_state on jobs.stage (state);
