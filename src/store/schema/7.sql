-- Uploads in pieces, and what the collection of garbage goes by.

-- The same file for the same place from the same client is the same upload, which goes on.
CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    owner TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    touched_ms BIGINT NOT NULL,
    UNIQUE (path, sha256, owner)
);

-- What has come of them, each part an object of its own that is on disk.
CREATE TABLE upload_parts (
    upload_id TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    start_byte BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (upload_id, start_byte)
);

-- Who refers to an object.
CREATE INDEX artifacts_by_object ON artifacts (sha256);
CREATE INDEX version_files_by_object ON version_files (sha256);

-- When a run was deleted; none for those that were before this column was.
ALTER TABLE runs ADD COLUMN deleted_ms BIGINT;
