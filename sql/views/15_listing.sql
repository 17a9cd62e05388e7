-- Workers with the seconds since each was heard of, and files as stores should hold them.
create or replace view report.worker_listing as
select w.id, w.worker, w.host, w.pid, w.state, w.version, w.fingerprint, w.stages, w.slots,
  w.threads, extract(epoch from now() - w.seen_at)::bigint as silent
from report.worker w;
comment on view report.worker_listing is
  'Workers, with the whole seconds since each was heard of.';

create or replace view report.stored_file as
select c.id, c.store_id, c.file, c.bytes, c.digest, c.memory_bytes,
  c.damaged_at is null and c.removed_at is null as counts
from report.checkpoint c;
comment on view report.stored_file is
  'Checkpoint files by store; counts is true of those that training may go on from.';
