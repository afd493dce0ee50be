-- What clients of MLflow keep beside runs and models: the data that a run read, the metrics of a
-- logged model, and the stages of those that know no aliases.

CREATE TABLE datasets (
    experiment_id BIGINT NOT NULL REFERENCES experiments (id),
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    source_type TEXT NOT NULL,
    source TEXT NOT NULL,
    dataset_schema TEXT,
    profile TEXT,
    PRIMARY KEY (experiment_id, name, digest)
) WITHOUT ROWID;

CREATE TABLE run_datasets (
    run_id TEXT NOT NULL REFERENCES runs (id),
    experiment_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (run_id, name, digest),
    FOREIGN KEY (experiment_id, name, digest) REFERENCES datasets (experiment_id, name, digest)
) WITHOUT ROWID;
CREATE INDEX run_datasets_by_name ON run_datasets (name, digest);

CREATE TABLE run_dataset_tags (
    run_id TEXT NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run_id, name, digest, key),
    FOREIGN KEY (run_id, name, digest) REFERENCES run_datasets (run_id, name, digest)
        ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE run_model_inputs (
    run_id TEXT NOT NULL REFERENCES runs (id),
    model_id TEXT NOT NULL,
    PRIMARY KEY (run_id, model_id)
) WITHOUT ROWID;

-- A point is a run's too, in `metrics`; here it is by the model that it is of.
CREATE TABLE logged_model_metrics (
    model_id TEXT NOT NULL REFERENCES logged_models (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    timestamp_ms BIGINT NOT NULL,
    step BIGINT NOT NULL,
    run_id TEXT NOT NULL REFERENCES runs (id),
    value DOUBLE PRECISION NOT NULL,
    is_nan BIGINT NOT NULL,
    dataset_name TEXT,
    dataset_digest TEXT,
    PRIMARY KEY (model_id, key, timestamp_ms, step, run_id)
) WITHOUT ROWID;

-- Deleted ones are kept, as runs are: a version may have come from one.
ALTER TABLE logged_models ADD COLUMN stage TEXT NOT NULL DEFAULT 'active';

-- For clients that know no aliases. No rule of ours reads it: what is live says `events`.
CREATE TABLE stages (
    model TEXT NOT NULL,
    version BIGINT NOT NULL,
    stage TEXT NOT NULL,
    PRIMARY KEY (model, version),
    FOREIGN KEY (model, version) REFERENCES versions (model, version) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX stages_by_stage ON stages (model, stage, version);
