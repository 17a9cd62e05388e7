-- What views and commands show of a stage's law: the rates of its first and last update, its
-- momentum, and its noise scale at the first update; `samples` are those of an epoch.
create or replace function api.internal_law_figures(law jsonb, optimizer text,
  start_samples bigint, end_samples bigint, samples bigint)
returns table (learning_rate real, learning_rate_end real, momentum real, noise_scale float8,
  noise_scale_exact float8)
language sql immutable as $$
  select api.internal_rate(law, start_samples),
    api.internal_rate(law, end_samples - (law ->> 'batch')::bigint),
    api.internal_real(api.internal_fraction(law ->> 'momentum')), n.approximate, n.exact
  from api.internal_noise_scale(law, optimizer, start_samples, samples) n
$$;
