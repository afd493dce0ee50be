-- Which logged models a run made: clients of MLflow 3 write it down with every model they log.

CREATE TABLE run_outputs (
    run_id TEXT NOT NULL REFERENCES runs (id),
    model_id TEXT NOT NULL,
    step INTEGER NOT NULL,
    PRIMARY KEY (run_id, model_id, step)
) WITHOUT ROWID;
