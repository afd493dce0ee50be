-- Webhooks, and the outbox: what they are still to be told.

CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    url TEXT NOT NULL,
    -- As it was given: a hash signs nothing. Empty: deliveries are not signed.
    secret TEXT NOT NULL,
    active BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    -- Who delivers at the moment, if anybody; the time before which no other may; failures in a row.
    claim TEXT NOT NULL DEFAULT '',
    next_ms BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE webhook_events (
    webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event TEXT NOT NULL,
    PRIMARY KEY (webhook_id, event)
) WITHOUT ROWID;
CREATE INDEX webhook_events_by_event ON webhook_events (event);

-- A row for each webhook that is to be told of an event, written with the change itself. It does not
-- refer to its webhook: one that is deleted meanwhile must not undo the change.
CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    model TEXT NOT NULL,
    event TEXT NOT NULL,
    payload TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    attempts BIGINT NOT NULL
);
CREATE INDEX outbox_by_due ON outbox (webhook_id, due_ms);
CREATE INDEX outbox_by_model ON outbox (webhook_id, model, sequence);
