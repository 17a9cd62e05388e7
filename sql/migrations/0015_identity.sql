-- A queue has an identity of its own, which its checkpoint stores record: files of two queues are
-- named alike, and one would overwrite the other's.
alter table jobs.queue add column id uuid not null default gen_random_uuid();
comment on column jobs.queue.id is
  'The identity of this queue, in dumps too. Its checkpoint stores record it and serve no other.';
