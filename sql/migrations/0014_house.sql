-- Finds the runs that may have collapsed without reading all measurements (report.collapsed).
create index measurement_at_guessing on jobs.measurement (stage_id) where not above_guessing;
