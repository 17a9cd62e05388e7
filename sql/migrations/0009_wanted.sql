-- Whether a data set is wanted is one look, however many stages want another.
create index stage_wanted on jobs.stage (dataset_digest) where state in ('ready', 'running');

comment on sequence jobs.rescue_clock is 'When leases are looked at again, in milliseconds.';
