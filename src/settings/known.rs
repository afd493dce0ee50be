//! The keys of `mlx.toml`, read off its JSON schema, so that a key that isn't one can be named.

use std::sync::OnceLock;

use serde_json::Value as Json;
use toml::{Table, Value};

use super::layers::quote;
use super::project::ProjectSettings;

/// The schema of `mlx.toml`, and its keys in dotted form.
#[derive(Debug)]
pub(crate) struct Known {
    pub schema: Json,
    /// Tables and leaves; what users name themselves (columns, environments) is left out.
    pub keys: Vec<String>,
}

/// A key that the schema has no place for, and the names that it could have there.
#[derive(Debug)]
pub(crate) struct Unknown {
    pub key: String,
    pub beside: Vec<String>,
}

impl Known {
    pub(crate) fn of_project() -> &'static Self {
        static KNOWN: OnceLock<Known> = OnceLock::new();
        KNOWN.get_or_init(|| {
            let schema = schemars::schema_for!(ProjectSettings).to_value();
            let mut keys = Vec::new();
            collect(&schema, &schema, "", &mut keys);
            Self { schema, keys }
        })
    }

    /// Keys that hold a value rather than a table.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = &str> {
        let is_table =
            |key: &str| self.keys.iter().any(|other| other.starts_with(&format!("{key}.")));
        self.keys.iter().map(String::as_str).filter(move |key| {
            // Tables whose keys are the user's own have no value of their own either.
            !is_table(key) && !["columns", "gates"].contains(key)
        })
    }

    /// Whether the key in this table holds text, so that `data.target=2020` names a column. What is one or many
    /// doesn't where it is given a list.
    pub(crate) fn wants_text(&self, table: &Table) -> bool {
        let Some((schema, value)) = self.place(table) else { return false };
        if value.is_array() && takes_list(&self.schema, schema) {
            return false;
        }
        match resolve(&self.schema, schema).get("type") {
            Some(Json::String(name)) => name == "string",
            Some(Json::Array(names)) => names.iter().all(|name| name == "string" || name == "null"),
            _ => false,
        }
    }

    /// The first value of a table and what the schema says of it.
    fn place<'a>(&'a self, table: &'a Table) -> Option<(&'a Json, &'a Value)> {
        let (mut schema, mut table) = (&self.schema, table);
        loop {
            let (key, value) = table.iter().next()?;
            schema = resolve(&self.schema, schema).get("properties")?.get(key)?;
            match value {
                Value::Table(inner) => table = inner,
                value => return Some((schema, value)),
            }
        }
    }

    /// The first key, in the order of the file, that the schema has no place for.
    pub(crate) fn first_unknown(&self, table: &Table) -> Option<Unknown> {
        first_unknown(&self.schema, &self.schema, table, "")
    }
}

fn first_unknown(root: &Json, schema: &Json, table: &Table, prefix: &str) -> Option<Unknown> {
    let schema = resolve(root, schema);
    for (key, value) in table {
        let name = if prefix.is_empty() { quote(key) } else { format!("{prefix}.{}", quote(key)) };
        let inner = match schema.get("properties").and_then(|properties| properties.get(key)) {
            Some(inner) => inner,
            None => match schema.get("additionalProperties") {
                Some(Json::Object(_)) => &schema["additionalProperties"],
                Some(Json::Bool(false)) => {
                    let known = schema.get("properties").and_then(Json::as_object);
                    let beside = known.into_iter().flat_map(|known| known.keys().cloned());
                    return Some(Unknown { key: name, beside: beside.collect() });
                }
                _ => continue,
            },
        };
        if let Value::Table(table) = value
            && let Some(unknown) = first_unknown(root, inner, table, &name)
        {
            return Some(unknown);
        }
    }
    None
}

fn collect(root: &Json, schema: &Json, prefix: &str, keys: &mut Vec<String>) {
    let schema = resolve(root, schema);
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else { return };
    for (key, inner) in properties {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        collect(root, inner, &name, keys);
        keys.push(name);
    }
}

/// Whether a list is among what this may be.
fn takes_list(root: &Json, schema: &Json) -> bool {
    if let Some(options) = schema.get("anyOf").and_then(Json::as_array) {
        return options.iter().any(|option| takes_list(root, option));
    }
    match schema.get("$ref") {
        Some(_) => takes_list(root, referred(root, schema)),
        None => schema.get("type") == Some(&Json::from("array")),
    }
}

/// What a `$ref` stands for; a schema without one stands for itself.
fn referred<'a>(root: &'a Json, schema: &'a Json) -> &'a Json {
    let name = schema.get("$ref").and_then(Json::as_str);
    name.map_or(schema, |name| &root["$defs"][name.trim_start_matches("#/$defs/")])
}

/// Follow `$ref`, and `anyOf` with null as schemars writes an `Option`.
fn resolve<'a>(root: &'a Json, schema: &'a Json) -> &'a Json {
    if schema.get("$ref").is_some() {
        return resolve(root, referred(root, schema));
    }
    if let Some(options) = schema.get("anyOf").and_then(Json::as_array) {
        let inner = options.iter().find(|option| option.get("type") != Some(&Json::from("null")));
        return inner.map_or(schema, |inner| resolve(root, inner));
    }
    schema
}
