-- What environments ask of those who move them, what was asked and approved, and the policy that a
-- move satisfied. An event's environment is '' where it speaks of a version, as a yank does.

ALTER TABLE events ADD COLUMN policy TEXT;

-- Every revision that there was; the last for an environment and models holds. NULL: it was removed.
CREATE TABLE policies (
    environment TEXT NOT NULL,
    models TEXT NOT NULL,
    revision BIGINT NOT NULL,
    policy TEXT,
    digest TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT,
    set_ms BIGINT NOT NULL,
    operation_id TEXT NOT NULL UNIQUE,
    PRIMARY KEY (environment, models, revision)
) WITHOUT ROWID;

-- No reference to `versions`: a request outlives what it asked for.
CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    environment TEXT NOT NULL,
    version BIGINT NOT NULL,
    expected BIGINT,
    package_digest TEXT,
    gate_digest TEXT NOT NULL,
    evidence TEXT,
    author TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT,
    asked_ms BIGINT NOT NULL,
    status TEXT NOT NULL,
    closed_by TEXT,
    closed_reason TEXT,
    closed_ms BIGINT,
    operation_id TEXT NOT NULL UNIQUE,
    closing_operation_id TEXT UNIQUE
) WITHOUT ROWID;
CREATE INDEX requests_by_environment ON requests (status, environment, model);

CREATE TABLE approvals (
    request TEXT NOT NULL REFERENCES requests (id),
    actor TEXT NOT NULL,
    reason TEXT,
    approved_ms BIGINT NOT NULL,
    operation_id TEXT NOT NULL UNIQUE,
    PRIMARY KEY (request, actor)
) WITHOUT ROWID;
