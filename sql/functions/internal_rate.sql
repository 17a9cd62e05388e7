-- The learning rate of an update whose first sample is this one, as RateLaw.value
-- (Experiments/Law.swift); null where the law has no such rate.
create or replace function api.internal_rate(law jsonb, sample bigint) returns real
language sql immutable as $$
  select api.internal_real(case
    when api.internal_is_constant(law) then base
    when sample >= coalesce((rate #>> '{warm_up,samples}')::bigint, 0) then base * curve
    else warm_from + (base * curve - warm_from) * sample
      / nullif((rate #>> '{warm_up,samples}')::float8, 0)
    end)
  from (
    select rate, api.internal_fraction(rate ->> 'base') as base,
      api.internal_fraction(rate #>> '{warm_up,from}') as warm_from,
      case
        when rate -> 'curve' is null then 1
        when shape = 'cosine' then curve_end + (1 - curve_end) * (1 + cos(pi() * t)) / 2
        when shape = 'exponential' then api.internal_power(curve_end, t)
        when shape = 'polynomial'
          then curve_end + (1 - curve_end) * api.internal_power(1 - t, curve_power)
      end as curve
    from (
      select law -> 'rate' as rate, law #>> '{rate,curve,shape}' as shape,
        api.internal_fraction(law #>> '{rate,curve,end}') as curve_end,
        api.internal_fraction(law #>> '{rate,curve,power}') as curve_power,
        case when (law #>> '{rate,curve,samples}')::bigint > 0
          then least(1, sample / (law #>> '{rate,curve,samples}')::float8) end as t) numbers) at
$$;
