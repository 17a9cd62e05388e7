-- A spec as digests have it: without the path of a file, for which its content's digest stands,
-- without the resources of a trainer, and without what earlier versions stored in it and nothing
-- reads.
create or replace function api.internal_trained_spec(document jsonb) returns jsonb
language sql immutable as $$
  select (document #- '{dataset,path}' #- '{dataset,test_path}' #- '{optimizer,learning_rate}'
    #- '{optimizer,momentum}' #- '{trainer,resources}') - 'gradient_probe'
$$;
