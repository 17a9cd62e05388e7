-- A point of all axes of a submission but the seed, with the numbers of its stages. A test
-- compares these columns with Swift's.
create type api.submitted_setting as (
  number int, name text, labels jsonb, learning_rate real, schedule text, optimizer text,
  variant text, classes int, samples_per_epoch bigint, chain int[]);
