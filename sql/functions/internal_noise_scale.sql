-- SGD's noise scale at an update whose first sample is this one, as Law.noiseScale
-- (Experiments/Law.swift): of a constant rate with the exact fraction, of others with the rate in
-- single precision. Null for an optimizer whose steps have none (OptimizerSpec.hasNoiseScale).
create or replace function api.internal_noise_scale(law jsonb, optimizer text, sample bigint,
  samples bigint)
returns table (approximate float8, exact float8)
language sql immutable as $$
  select case when has_one then rate * samples / (batch * (1 - momentum)) end,
    case when has_one then rate / (1 - momentum) * (samples / batch - 1) end
  from (
    select optimizer in ('sgd', 'momentum', 'nesterov') as has_one,
      (law ->> 'batch')::float8 as batch,
      case when api.internal_is_constant(law) then api.internal_fraction(law #>> '{rate,base}')
        else api.internal_rate(law, sample)::float8 end as rate,
      coalesce(api.internal_fraction(law ->> 'momentum'), 0) as momentum) numbers
$$;
