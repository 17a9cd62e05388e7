-- SGD's noise scale at a stage's first update, as Stage.noiseScale (Experiments/Plan.swift): of
-- a constant rate with the exact fraction, of others with the rate in single precision.
create or replace function api.internal_noise_scale(law jsonb, sample bigint, batch bigint,
  samples bigint)
returns table (approximate float8, exact float8)
language sql immutable as $$
  select rate * samples / (batch * (1 - momentum)),
    rate / (1 - momentum) * (samples / batch::float8 - 1)
  from (
    select case when law -> 'rate' ?| '{curve,warm_up}' then api.internal_rate(law, sample)::float8
        else api.internal_fraction(law #>> '{rate,base}') end as rate,
      coalesce(api.internal_fraction(law ->> 'momentum'), 0) as momentum) numbers
$$;
