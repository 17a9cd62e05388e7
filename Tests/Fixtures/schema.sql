CREATE SCHEMA jobs;
CREATE DOMAIN jobs.digest AS text
	CONSTRAINT digest_check CHECK (((octet_length(VALUE) = 64) AND (octet_length(decode(VALUE, 'hex'::text)) = 32)));
CREATE DOMAIN jobs.name AS text
	CONSTRAINT name_check CHECK ((((octet_length(VALUE) >= 1) AND (octet_length(VALUE) <= 400)) AND (VALUE !~ '[^A-Za-z0-9._=+,-]'::text)));
CREATE FUNCTION jobs.stage_is_sound(state text, attempt integer, worker_id bigint, checkpoint_id bigint, reason text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
begin
  return (state = 'running') = (worker_id is not null)
    and (state = 'done') = (checkpoint_id is not null)
    and case
      when state in ('blocked', 'ready', 'done', 'skipped', 'cancelled') then attempt >= 0
      when state = 'running' then attempt > 0
      when state in ('diverged', 'failed', 'parked') then reason is not null
      else false end;
end $$;
CREATE TABLE jobs.stage (
    id bigint NOT NULL,
    digest jobs.digest NOT NULL,
    parent_id bigint,
    spec_digest jobs.digest NOT NULL,
    dataset_digest jobs.digest,
    numerics_version integer NOT NULL,
    memory_bytes bigint NOT NULL,
    pinned boolean DEFAULT false NOT NULL,
    state text NOT NULL,
    priority integer DEFAULT 0 NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    worker_id bigint,
    failures integer DEFAULT 0 NOT NULL,
    crashes integer DEFAULT 0 NOT NULL,
    crash_streak integer DEFAULT 0 NOT NULL,
    preemptions integer DEFAULT 0 NOT NULL,
    reason text,
    not_before timestamp with time zone,
    start_samples bigint NOT NULL,
    end_samples bigint NOT NULL,
    start_updates bigint NOT NULL,
    updates bigint NOT NULL,
    batch bigint NOT NULL,
    ghost bigint NOT NULL,
    learning_rate real NOT NULL,
    learning_rate_end real NOT NULL,
    law jsonb NOT NULL,
    momentum real,
    noise_scale double precision,
    noise_scale_exact double precision,
    epochs double precision NOT NULL,
    checkpoint_id bigint,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    held boolean DEFAULT false NOT NULL,
    seed bigint NOT NULL,
    backend text DEFAULT 'native'::text NOT NULL,
    preparation integer DEFAULT 1 NOT NULL,
    probe jsonb,
    identity_id bigint,
    CONSTRAINT stage_is_sound CHECK (jobs.stage_is_sound(state, attempt, worker_id, checkpoint_id, reason))
)
WITH (fillfactor='80');
COMMENT ON COLUMN jobs.stage.digest IS 'Names the state at the stage''s end, however the way was cut.';
COMMENT ON COLUMN jobs.stage.pinned IS 'Some run wants it trained on machines of one numerics fingerprint only.';
COMMENT ON COLUMN jobs.stage.state IS 'blocked: its parent is not done. Left when that is done (ready), diverged or failed (skipped).
ready: may be claimed. Left by claim (running) or cancel.
running: a worker holds its lease. Left by finish (done), diverge, fail (ready, failed), release
(ready), rescue (ready, parked), cancel, and by report_damage (ready, blocked).
done: its end''s checkpoint is registered. Left only when that checkpoint is found damaged (ready).
diverged: a loss, gradient or statistic was not finite. A result: nothing leads out of it.
failed: an error that another try does not mend, or the third failure. Left by retry.
parked: crashed five times in a row without progress. Left by retry.
skipped: an ancestor diverged, failed or was parked for good. Left when that ancestor is retried.
cancelled: no live run wants it. Left when a submission or a retry wants it again.';
COMMENT ON COLUMN jobs.stage.attempt IS 'Number of the latest attempt; it only grows. Every write of a worker carries it (fencing).';
COMMENT ON COLUMN jobs.stage.held IS 'Every live run that wants it belongs to a paused grid: it is not claimed, and handed back.';
COMMENT ON COLUMN jobs.stage.backend IS 'What trains it; in its digest, and matched at claim.';
COMMENT ON COLUMN jobs.stage.preparation IS 'The version of how its data become numbers; in its digest, and matched at claim. 0 of tables that were planned before the digest had it, and were standardized in another way.';
COMMENT ON COLUMN jobs.stage.probe IS 'How the gradient noise is probed; of no influence on what is trained, and in no digest.';
COMMENT ON COLUMN jobs.stage.identity_id IS 'The text of its digest (jobs.identity); null where an older version submitted it.';
CREATE TABLE jobs.attempt (
    stage_id bigint NOT NULL,
    attempt integer NOT NULL,
    worker_id bigint NOT NULL,
    claimed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    lease_until timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    outcome text,
    updates_from bigint NOT NULL,
    updates_to bigint NOT NULL,
    samples_to bigint NOT NULL,
    seconds double precision DEFAULT 0 NOT NULL,
    samples_per_second real,
    threads integer,
    peak_memory_bytes bigint,
    fingerprint text,
    reason text,
    core_seconds double precision DEFAULT 0 NOT NULL,
    log text,
    CONSTRAINT attempt_is_sound CHECK (((ended_at IS NULL) = (outcome IS NULL))),
    CONSTRAINT attempt_log_check CHECK ((octet_length(log) <= 65536))
)
WITH (fillfactor='70');
COMMENT ON TABLE jobs.attempt IS 'One claim of a stage by a worker. The lease and the progress of a running stage live here, in narrow rows; updates_from and updates_to are positions since the stage''s start.';
COMMENT ON COLUMN jobs.attempt.log IS 'The end of what the attempt''s program has written; null where the engine trained.';
CREATE TABLE jobs.checkpoint (
    id bigint NOT NULL,
    stage_id bigint NOT NULL,
    attempt integer NOT NULL,
    store_id text NOT NULL,
    file jobs.name NOT NULL,
    samples bigint NOT NULL,
    updates bigint NOT NULL,
    final boolean NOT NULL,
    bytes bigint NOT NULL,
    digest jobs.digest NOT NULL,
    fingerprint text NOT NULL,
    parameters_digest jobs.digest NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    damaged_at timestamp with time zone,
    removed_at timestamp with time zone
);
COMMENT ON TABLE jobs.checkpoint IS 'The only authority on which checkpoint files count.';
ALTER TABLE jobs.checkpoint ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME jobs.checkpoint_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE jobs.code (
    digest jobs.digest NOT NULL,
    archive bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT code_archive_check CHECK (((octet_length(archive) >= 1) AND (octet_length(archive) <= (80 << 20)))),
    CONSTRAINT code_check CHECK (((digest)::text = encode(sha256(archive), 'hex'::text)))
);
COMMENT ON TABLE jobs.code IS 'Folders of code as zip files, which submit has packed. The digest is the SHA-256 of the zip file; the server checks it, so no login can store one folder under the digest of another.';
CREATE TABLE jobs.dataset (
    digest jobs.digest NOT NULL
);
CREATE TABLE jobs.dataset_place (
    digest jobs.digest NOT NULL,
    description jsonb NOT NULL
);
COMMENT ON TABLE jobs.dataset_place IS 'What submissions have said of a data set: its name, its file. Workers try each.';
CREATE SEQUENCE jobs.disorder
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
COMMENT ON SEQUENCE jobs.disorder IS 'Counts changes of the order in which stages are claimed.';
CREATE TABLE jobs.event (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text DEFAULT SESSION_USER NOT NULL,
    kind text NOT NULL,
    grid_id bigint,
    run_id bigint,
    stage_id bigint,
    worker_id bigint,
    detail jsonb
);
COMMENT ON TABLE jobs.event IS 'Who did what, when. Rows outlive what they speak of.';
ALTER TABLE jobs.event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME jobs.event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE jobs.grid (
    id bigint NOT NULL,
    name jobs.name NOT NULL,
    content_digest jobs.digest NOT NULL,
    document jsonb NOT NULL,
    priority integer DEFAULT 0 NOT NULL,
    submitted_by text DEFAULT SESSION_USER NOT NULL,
    submitted_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    paused_at timestamp with time zone,
    class_names jsonb,
    CONSTRAINT grid_class_names_check CHECK ((jsonb_typeof(class_names) = 'object'::text)),
    CONSTRAINT grid_name_is_short CHECK ((octet_length((name)::text) <= 100))
);
COMMENT ON COLUMN jobs.grid.class_names IS 'Names of the classes of each data set, in the order of the network''s outputs, by the data set''s digest; null where the submission gave none.';
ALTER TABLE jobs.grid ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME jobs.grid_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE jobs.identity (
    id bigint NOT NULL,
    digest jobs.digest NOT NULL,
    text text NOT NULL
);
COMMENT ON TABLE jobs.identity IS 'The texts that the digests of stages are taken of, each once for all seeds: DEL stands where the seed goes.';
ALTER TABLE jobs.identity ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME jobs.identity_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE jobs.measurement (
    stage_id bigint NOT NULL,
    samples bigint NOT NULL,
    attempt integer NOT NULL,
    epoch double precision NOT NULL,
    updates bigint NOT NULL,
    batch bigint NOT NULL,
    learning_rate real NOT NULL,
    noise_scale double precision,
    train_loss double precision,
    train_accuracy double precision,
    test_loss double precision,
    test_accuracy double precision,
    validation_loss double precision,
    validation_accuracy double precision,
    seconds double precision NOT NULL,
    peak_memory_bytes bigint,
    gradient_square double precision,
    gradient_variance double precision,
    gradient_estimates bigint,
    gradient_probes bigint,
    probe_seconds double precision,
    core_seconds double precision,
    test_samples bigint,
    test_commonest bigint,
    above_guessing boolean,
    numbers jsonb,
    CONSTRAINT measurement_numbers_check CHECK ((jsonb_typeof(numbers) = 'object'::text))
);
COMMENT ON COLUMN jobs.measurement.gradient_square IS 'Mean estimate of the true gradient''s squared norm since the measurement before; unbiased.';
COMMENT ON COLUMN jobs.measurement.gradient_variance IS 'Mean estimate of the trace of one sample''s gradient covariance; unbiased.';
COMMENT ON COLUMN jobs.measurement.gradient_probes IS 'Of the estimates, those by extra gradients that trained nothing; they took probe_seconds.';
COMMENT ON COLUMN jobs.measurement.test_commonest IS 'Test samples of the commonest class: guessing it always is right so often.';
COMMENT ON COLUMN jobs.measurement.above_guessing IS 'Whether the test accuracy is above that of always guessing the commonest class, by a one-sided binomial test at 0.001. The worker decides it. Of earlier measurements it is reckoned with classes of equal size, by the normal approximation.';
COMMENT ON COLUMN jobs.measurement.numbers IS 'Further numbers that a trainer has measured, by their names.';
CREATE TABLE jobs.migration (
    number integer NOT NULL,
    name text NOT NULL,
    digest text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE SEQUENCE jobs.next_look
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
COMMENT ON SEQUENCE jobs.next_look IS 'When claims look at all ready stages again, in milliseconds.';
CREATE TABLE jobs.queue (
    one boolean DEFAULT true NOT NULL,
    paused_at timestamp with time zone,
    paused_by text,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    CONSTRAINT queue_one_check CHECK (one)
);
COMMENT ON TABLE jobs.queue IS 'What is true of the queue as a whole: one row.';
COMMENT ON COLUMN jobs.queue.id IS 'The identity of this queue, in dumps too. Its checkpoint stores record it and serve no other.';
CREATE SEQUENCE jobs.rescue_all_clock
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
COMMENT ON SEQUENCE jobs.rescue_all_clock IS 'When all leases are looked at again, in milliseconds.';
CREATE SEQUENCE jobs.rescue_clock
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
COMMENT ON SEQUENCE jobs.rescue_clock IS 'When leases of silent workers are looked at again, in milliseconds.';
CREATE TABLE jobs.run (
    id bigint NOT NULL,
    grid_id bigint NOT NULL,
    name jobs.name NOT NULL,
    "position" integer NOT NULL,
    seed bigint NOT NULL,
    labels jsonb NOT NULL,
    learning_rate real NOT NULL,
    schedule text NOT NULL,
    optimizer text NOT NULL,
    variant jobs.name,
    updates bigint NOT NULL,
    samples bigint NOT NULL,
    epochs double precision NOT NULL,
    cancelled_at timestamp with time zone,
    classes integer,
    samples_per_epoch bigint,
    setting text DEFAULT ''::text NOT NULL
);
COMMENT ON COLUMN jobs.run.setting IS 'What it has in common with runs of other seeds: the axes'' values but the seed''s.';
ALTER TABLE jobs.run ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME jobs.run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE jobs.run_stage (
    run_id bigint NOT NULL,
    "position" integer NOT NULL,
    stage_id bigint NOT NULL
);
CREATE TABLE jobs.schema_state (
    one boolean DEFAULT true NOT NULL,
    version integer NOT NULL,
    digest text NOT NULL,
    CONSTRAINT schema_state_one_check CHECK (one)
);
COMMENT ON TABLE jobs.schema_state IS 'What the schema is now: the number of migrations, and the digest of all SQL that made it.';
CREATE TABLE jobs.spec (
    digest jobs.digest NOT NULL,
    document jsonb NOT NULL
);
COMMENT ON TABLE jobs.spec IS 'What stages have in common, whatever their seeds: network, data, optimizer, ghost batch.';
ALTER TABLE jobs.stage ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME jobs.stage_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE jobs.store (
    id jobs.name NOT NULL,
    path text NOT NULL,
    host text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
COMMENT ON TABLE jobs.store IS 'Folders of checkpoint files.';
CREATE TABLE jobs.worker (
    id bigint NOT NULL,
    name text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    numerics_version integer NOT NULL,
    fingerprint text NOT NULL,
    slots integer NOT NULL,
    threads integer NOT NULL,
    stores text[] NOT NULL,
    state text DEFAULT 'idle'::text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    swept_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    missing_data jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT worker_is_sound CHECK (((state = ANY (ARRAY['idle'::text, 'busy'::text, 'gone'::text])) AND (slots > 0) AND (threads > 0)))
)
WITH (fillfactor='70');
COMMENT ON COLUMN jobs.worker.swept_at IS 'When its heartbeats last looked for stages whose claim it never heard of.';
COMMENT ON COLUMN jobs.worker.missing_data IS 'Digests of data sets that are wanted and that the worker cannot open, each with the reason.';
ALTER TABLE jobs.worker ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME jobs.worker_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY jobs.attempt
    ADD CONSTRAINT attempt_pkey PRIMARY KEY (stage_id, attempt);
ALTER TABLE ONLY jobs.checkpoint
    ADD CONSTRAINT checkpoint_pkey PRIMARY KEY (id);
ALTER TABLE ONLY jobs.checkpoint
    ADD CONSTRAINT checkpoint_store_id_file_key UNIQUE (store_id, file);
ALTER TABLE ONLY jobs.code
    ADD CONSTRAINT code_pkey PRIMARY KEY (digest);
ALTER TABLE ONLY jobs.dataset
    ADD CONSTRAINT dataset_pkey PRIMARY KEY (digest);
ALTER TABLE ONLY jobs.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (id);
ALTER TABLE ONLY jobs.grid
    ADD CONSTRAINT grid_name_key UNIQUE (name);
ALTER TABLE ONLY jobs.grid
    ADD CONSTRAINT grid_pkey PRIMARY KEY (id);
ALTER TABLE ONLY jobs.identity
    ADD CONSTRAINT identity_digest_key UNIQUE (digest);
ALTER TABLE ONLY jobs.identity
    ADD CONSTRAINT identity_pkey PRIMARY KEY (id);
ALTER TABLE ONLY jobs.measurement
    ADD CONSTRAINT measurement_pkey PRIMARY KEY (stage_id, samples);
ALTER TABLE ONLY jobs.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (number);
ALTER TABLE ONLY jobs.queue
    ADD CONSTRAINT queue_pkey PRIMARY KEY (one);
ALTER TABLE ONLY jobs.run
    ADD CONSTRAINT run_grid_id_name_key UNIQUE (grid_id, name);
ALTER TABLE ONLY jobs.run
    ADD CONSTRAINT run_pkey PRIMARY KEY (id);
ALTER TABLE ONLY jobs.run_stage
    ADD CONSTRAINT run_stage_pkey PRIMARY KEY (run_id, "position");
ALTER TABLE ONLY jobs.schema_state
    ADD CONSTRAINT schema_state_pkey PRIMARY KEY (one);
ALTER TABLE ONLY jobs.spec
    ADD CONSTRAINT spec_pkey PRIMARY KEY (digest);
ALTER TABLE ONLY jobs.stage
    ADD CONSTRAINT stage_digest_key UNIQUE (digest);
ALTER TABLE ONLY jobs.stage
    ADD CONSTRAINT stage_pkey PRIMARY KEY (id);
ALTER TABLE ONLY jobs.store
    ADD CONSTRAINT store_pkey PRIMARY KEY (id);
ALTER TABLE ONLY jobs.worker
    ADD CONSTRAINT worker_pkey PRIMARY KEY (id);
CREATE INDEX checkpoint_stage ON jobs.checkpoint USING btree (stage_id, samples DESC);
CREATE UNIQUE INDEX dataset_place_once ON jobs.dataset_place USING btree (digest, md5((description)::text));
CREATE INDEX event_stage ON jobs.event USING btree (stage_id);
CREATE INDEX measurement_at_guessing ON jobs.measurement USING btree (stage_id) WHERE (NOT above_guessing);
CREATE INDEX run_stage_stage ON jobs.run_stage USING btree (stage_id, run_id);
CREATE INDEX stage_parent ON jobs.stage USING btree (parent_id, id) WHERE (parent_id IS NOT NULL);
CREATE INDEX stage_ready ON jobs.stage USING btree (((- (priority)::bigint)), id) WHERE ((state = 'ready'::text) AND (NOT held));
CREATE INDEX stage_running ON jobs.stage USING btree (worker_id) WHERE (state = 'running'::text);
CREATE INDEX stage_state ON jobs.stage USING btree (state COLLATE "POSIX");
COMMENT ON INDEX jobs.stage_state IS 'For counting stages by state, and nothing else.';
CREATE INDEX stage_waits ON jobs.stage USING btree (id) WHERE ((state = 'ready'::text) AND ((reason IS NOT NULL) OR (preparation = 0)));
CREATE INDEX stage_wanted ON jobs.stage USING btree (dataset_digest) WHERE ((state = ANY (ARRAY['ready'::text, 'running'::text])) AND (dataset_digest IS NOT NULL));
CREATE INDEX worker_idle ON jobs.worker USING btree (id) WHERE (state = 'idle'::text);
CREATE INDEX worker_present ON jobs.worker USING btree (id) WHERE (state <> 'gone'::text);
ALTER TABLE ONLY jobs.dataset_place
    ADD CONSTRAINT dataset_place_digest_fkey FOREIGN KEY (digest) REFERENCES jobs.dataset(digest);
ALTER TABLE ONLY jobs.measurement
    ADD CONSTRAINT measurement_stage_id_fkey FOREIGN KEY (stage_id) REFERENCES jobs.stage(id) ON DELETE CASCADE;
GRANT USAGE ON SCHEMA jobs TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.stage TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.attempt TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.checkpoint TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.code TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.dataset TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.dataset_place TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.event TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.grid TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.identity TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.measurement TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.migration TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.queue TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.run TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.run_stage TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.schema_state TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.spec TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.store TO jobctl_owner;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE jobs.worker TO jobctl_owner;
