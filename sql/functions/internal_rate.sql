-- The learning rate of an update whose first sample is this one, as RateLaw.value
-- (Experiments/Law).
create or replace function api.internal_rate(law jsonb, sample bigint) returns real
language sql immutable as $$
  select case
    when rate -> 'curve' is null and rate -> 'warm_up' is null then base
    when sample >= coalesce((rate #>> '{warm_up,samples}')::bigint, 0) then base * curve
    else warm_from + (base * curve - warm_from) * sample
      / (rate #>> '{warm_up,samples}')::float8
    end::real
  from (
    select rate, api.internal_fraction(rate ->> 'base') as base,
      api.internal_fraction(rate #>> '{warm_up,from}') as warm_from,
      case rate #>> '{curve,shape}'
        when 'cosine' then curve_end + (1 - curve_end) * (1 + cos(pi() * t)) / 2
        when 'exponential' then power(curve_end, t)
        when 'polynomial' then curve_end + (1 - curve_end) * power(1 - t, curve_power)
        else 1
      end as curve
    from (
      select law -> 'rate' as rate, api.internal_fraction(law #>> '{rate,curve,end}') as curve_end,
        api.internal_fraction(law #>> '{rate,curve,power}') as curve_power,
        least(1, sample / (law #>> '{rate,curve,samples}')::float8) as t) arguments) evaluated
$$;
