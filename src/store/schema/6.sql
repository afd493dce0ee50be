-- Pages of versions in the order that clients ask for when they ask for none.
CREATE INDEX versions_by_update ON versions (updated_ms DESC, model, version DESC);
CREATE INDEX versions_of_model_by_update ON versions (model, updated_ms DESC, version DESC);

-- A tag's value may be longer than PostgreSQL's indexes take; only a package's digest is looked up.
DROP INDEX version_tags_by_value;
CREATE INDEX version_tags_by_package ON version_tags (model, value)
WHERE key = 'mlx.package_digest';
