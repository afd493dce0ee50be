//! A value that a setting can't have: which key, where it was said, and what is wanted.

use std::collections::BTreeMap;
use std::path::Path;

use super::Origin;
use super::layers::line_of;
use crate::error::{Error, closest};
use crate::registry::ModelName;
use crate::sys::files;

/// Of what serde says, an error that names the key and whoever set it.
pub(super) fn value(
    error: &toml::de::Error,
    project_file: &Path,
    origins: &BTreeMap<String, Origin>,
) -> Error {
    // serde says what, and then "in `key`" on a line of its own.
    let text = error.to_string();
    let (what, key) = match text.trim_end().rsplit_once("\nin ") {
        Some((what, key)) => (what, key.trim_matches('`')),
        None => (text.trim_end(), ""),
    };
    if let Some(missing) = what.strip_prefix("missing field ") {
        let table = if key.is_empty() { String::new() } else { format!("[{key}] of ") };
        return Error::user(format!("{table}{} has no {missing}", project_file.display()))
            .hint("see what it takes: `mlx schema mlx.toml`; `mlx init` writes a whole one");
    }
    let origin = origins.get(key);
    let place = match origin {
        Some(Origin::ProjectFile(file) | Origin::UserFile(file)) => place(file, key),
        Some(Origin::CommandLine) => "the command line".into(),
        Some(origin) => origin.to_string(),
        None => place(project_file, key),
    };
    let message = match what.split_once(", expected ") {
        Some((found, wanted)) => {
            format!(
                "`{key}` in {place} is {}, and {} is wanted",
                found_as(found),
                wanted_as(wanted)
            )
        }
        None => format!("`{key}` in {place}: {what}"),
    };
    let error = match origin {
        Some(Origin::CommandLine | Origin::Flag(_)) => Error::usage(message),
        _ => Error::user(message),
    };
    let meant = variants(what)
        .and_then(|(word, known)| Some(format!("did you mean `{}`?", closest(word, known)?)));
    match meant {
        Some(hint) => error.hint(hint),
        None if what.ends_with("model name") => error.hint(ModelName::RULE),
        None => error.hint("see what each key takes: `mlx schema mlx.toml`"),
    }
}

fn place(file: &Path, key: &str) -> String {
    let line = files::read_text(file).ok().and_then(|text| line_of(&text, key));
    format!("{}{}", file.display(), line.map_or(String::new(), |line| format!(" line {line}")))
}

/// `invalid type: string "ten"` as `"ten"`.
fn found_as(text: &str) -> &str {
    let found = text.split_once(": ").map_or(text, |(_, found)| found);
    match found {
        "sequence" => "a list",
        "map" => "a table",
        _ => ["unknown variant ", "string ", "integer ", "floating point ", "boolean "]
            .iter()
            .find_map(|kind| found.strip_prefix(kind))
            .unwrap_or(found),
    }
}

/// Rust's names of types as people say them.
fn wanted_as(text: &str) -> &str {
    match text {
        "usize" | "u64" | "u32" => "a whole number from 0 on",
        "i64" => "a whole number",
        "f64" => "a number",
        "a string" => "text",
        "a boolean" => "true or false",
        _ => text,
    }
}

/// The word that is none of the known ones, and these.
fn variants(what: &str) -> Option<(&str, impl Iterator<Item = &str>)> {
    let mut words = what.strip_prefix("unknown variant ")?.split('`').skip(1).step_by(2);
    Some((words.next()?, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serde_says_is_said_as_people_do() {
        assert_eq!(found_as("invalid type: string \"ten\""), "\"ten\"");
        assert_eq!(found_as("invalid value: integer `-1`"), "`-1`");
        assert_eq!(found_as("invalid type: map"), "a table");
        let (word, mut known) = variants("unknown variant `a`, expected `b` or `c`").expect("one");
        assert_eq!((word, known.next(), known.next()), ("a", Some("b"), Some("c")));
        assert!(variants("missing field `a`").is_none());
    }
}
