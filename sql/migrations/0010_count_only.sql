-- For counting alone. Under a collation of its own no condition on the state can use it: plans that
-- are made while nothing runs would take it for the shortest way to what runs, and keep to it when
-- thousands do.
drop index jobs.stage_state;
create index stage_state on jobs.stage (state collate "POSIX");
comment on index jobs.stage_state is 'For counting stages by state, and nothing else.';
