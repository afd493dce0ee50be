//! Layers of settings: each key with its value and where the value comes from; later wins.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use toml::{Table, Value};

use super::env;
use super::known::{Known, Unknown};
use crate::error::{Error, Result, closest};
use crate::sys::files;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    UserFile(PathBuf),
    ProjectFile(PathBuf),
    Variable(&'static str),
    /// A flag of the key's own.
    Flag(&'static str),
    /// `--set`.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::UserFile(path) | Self::ProjectFile(path) => write!(f, "{}", path.display()),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The tables that a user's own file may set: what belongs to a person or a machine, not to a project.
const USER_TABLES: &[&str] = &["train", "registry"];

/// The variables that stand for a key of `mlx.toml`.
pub(super) const VARIABLES: &[(&str, &str)] = &[
    (env::DEVICE, "train.device"),
    (env::SEED, "train.seed"),
    (env::BUDGET, "train.budget"),
    (env::THREADS, "train.threads"),
    (env::REGISTRY_URL, "registry.url"),
];

/// Tables laid over each other, and which layer each key came from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    pub table: Table,
    /// By dotted key, as TOML writes it.
    pub origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// The user's file, under everything else. One that isn't there says nothing.
    pub(crate) fn user_file(&mut self, path: &Path) -> Result<()> {
        if !path.is_file() {
            return Ok(());
        }
        let table = read(path)?;
        if let Some(name) = table.keys().find(|name| !USER_TABLES.contains(&name.as_str())) {
            return Err(Error::user(format!("`{name}` can't be set in {}", path.display()))
                .hint("a user's file holds [train] and [registry]; the rest belongs in the project's mlx.toml"));
        }
        self.lay(table, &Origin::UserFile(path.to_owned()));
        Ok(())
    }

    pub(crate) fn project_file(&mut self, path: &Path) -> Result<()> {
        self.lay(read(path)?, &Origin::ProjectFile(path.to_owned()));
        Ok(())
    }

    pub(crate) fn variables(&mut self) -> Result<()> {
        for (variable, key) in VARIABLES {
            if let Some(text) = env::text(variable) {
                let table = assignment(key, &text)
                    .map_err(|error| error.context(format!("in ${variable}")))?;
                self.lay(table, &Origin::Variable(variable));
            }
        }
        Ok(())
    }

    /// `key=value` texts of `--set` and of named flags, in the order in which they win.
    pub(crate) fn command_line(&mut self, overrides: &[String]) -> Result<()> {
        for text in overrides {
            let (key, value) = text.split_once('=').ok_or_else(|| {
                Error::usage(format!("`--set {text}` has no `=`"))
                    .hint("write a key of mlx.toml and its value, such as `--set train.seed=8`")
            })?;
            let table = assignment(key.trim(), value.trim())?;
            if let Some(unknown) = Known::of_project().first_unknown(&table) {
                let key = &unknown.key;
                let error = Error::usage(format!("unknown key `{key}` in `--set {text}`"));
                return Err(error.hint(meant(&unknown)));
            }
            self.lay(table, &Origin::CommandLine);
        }
        Ok(())
    }

    fn lay(&mut self, table: Table, origin: &Origin) {
        lay(&mut self.table, table, &mut String::new(), origin, &mut self.origins);
    }
}

/// Read a settings file; a key that mlx doesn't know is an error with its line.
fn read(path: &Path) -> Result<Table> {
    let text = files::read_text(path)?;
    let name = path.display();
    let table: Table = toml::from_str(&text).map_err(|error| {
        let before = error.span().map_or("", |span| &text[..span.start.min(text.len())]);
        let at = before.matches('\n').count();
        let line = text.lines().nth(at).unwrap_or_default().trim();
        Error::user(format!("{name} line {} is not valid TOML: {}", at + 1, error.message()))
            .hint(format!("mend the line: {line}"))
    })?;
    refuse_newer(&table, path)?;
    if let Some(unknown) = Known::of_project().first_unknown(&table) {
        let line =
            line_of(&text, &unknown.key).map_or(String::new(), |line| format!(" line {line}"));
        let error = Error::user(format!("unknown key `{}` in {name}{line}", unknown.key));
        return Err(error.hint(meant(&unknown)));
    }
    Ok(table)
}

/// A file of a later format may mean something else by a key that we know.
fn refuse_newer(table: &Table, path: &Path) -> Result<()> {
    let schema =
        table.get("project").and_then(|project| project.get("schema")).and_then(Value::as_integer);
    match schema {
        Some(schema) if schema > i64::from(super::project::SCHEMA) => Err(Error::user(format!(
            "{} has schema {schema}, and this mlx reads up to {}",
            path.display(),
            super::project::SCHEMA
        ))
        .hint("install a newer mlx")),
        _ => Ok(()),
    }
}

/// What was meant by a key that is none: one beside it, or of its name elsewhere.
fn meant(unknown: &Unknown) -> String {
    let key = &unknown.key;
    let (table, name) = match key.rsplit_once('.') {
        Some((table, name)) => (format!("{table}."), name),
        None => (String::new(), key.as_str()),
    };
    if let Some(near) = closest(name, unknown.beside.iter().map(String::as_str)) {
        return format!("did you mean `{table}{near}`?");
    }
    let elsewhere = Known::of_project().keys.iter().map(String::as_str);
    match closest(key, elsewhere.filter(|known| !key.starts_with(known))) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "see every key: `mlx schema mlx.toml`, or `mlx config show`".into(),
    }
}

/// `train.seed` and `8` as a table. The key is read by TOML's own grammar, so `columns."my zip"`
/// works; a value that is no TOML value is a string, so `data.target=churned` needs no quotes.
fn assignment(key: &str, value: &str) -> Result<Table> {
    let quoted = Value::String(value.to_owned());
    let bare: Option<Table> = toml::from_str(&format!("{key} = {value}")).ok();
    // A bare value that spills over into a second line of TOML would set other keys too.
    let one_line = !value.contains(['\n', '\r']);
    let is_text = value.starts_with(['"', '\'']);
    bare.filter(|table| one_line && (is_text || !Known::of_project().wants_text(table)))
        .map_or_else(|| toml::from_str(&format!("{key} = {quoted}")), Ok)
        .map_err(|_| {
            Error::usage(format!("`{key}` is not a key"))
                .hint("keys are dotted names, such as `train.seed` or `columns.\"zip code\"`")
        })
}

fn lay(
    under: &mut Table,
    over: Table,
    prefix: &mut String,
    origin: &Origin,
    origins: &mut BTreeMap<String, Origin>,
) {
    for (key, value) in over {
        let length = prefix.len();
        if !prefix.is_empty() {
            prefix.push('.');
        }
        prefix.push_str(&quote(&key));
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => {
                lay(under, over, prefix, origin, origins);
            }
            (_, Value::Table(over)) if !over.is_empty() => {
                let mut fresh = Table::new();
                lay(&mut fresh, over, prefix, origin, origins);
                under.insert(key, Value::Table(fresh));
            }
            (_, value) => {
                origins.insert(prefix.clone(), origin.clone());
                under.insert(key, value);
            }
        }
        prefix.truncate(length);
    }
}

/// A key as TOML writes it: bare where it can be.
pub(crate) fn quote(key: &str) -> String {
    let bare = !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if bare { key.to_owned() } else { Value::String(key.to_owned()).to_string() }
}

/// The line of a dotted key, from 1.
pub(super) fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut names = split_key(key).into_iter().peekable();
    while let Some(name) = names.next() {
        let (key, value) = table.iter().find(|(key, _)| key.get_ref().as_ref() == name)?;
        if names.peek().is_none() {
            return Some(text[..key.span().start].matches('\n').count() + 1);
        }
        table = value.get_ref().as_table()?;
    }
    None
}

fn split_key(key: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut table: Table = toml::from_str(&format!("{key} = 0")).unwrap_or_default();
    while let Some((name, value)) = table.into_iter().next() {
        names.push(name);
        table = match value {
            Value::Table(inner) => inner,
            _ => break,
        };
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(texts: &[&str]) -> Layers {
        let mut layers = Layers::default();
        layers
            .command_line(&texts.iter().map(ToString::to_string).collect::<Vec<_>>())
            .expect("valid");
        layers
    }

    #[test]
    fn the_last_override_wins_and_a_word_is_a_string() {
        let layers = layers(&[
            "train.seed=8",
            "train.seed=9",
            "data.target=churned",
            "columns.\"my zip\"=ignore",
        ]);
        assert_eq!(layers.table["train"]["seed"].as_integer(), Some(9));
        assert_eq!(layers.table["data"]["target"].as_str(), Some("churned"));
        assert_eq!(layers.table["columns"]["my zip"].as_str(), Some("ignore"));
        assert_eq!(layers.origins["columns.\"my zip\""], Origin::CommandLine);
    }

    #[test]
    fn a_typo_in_a_key_is_named_with_the_key_that_was_meant() {
        let mut layers = Layers::default();
        let error = layers.command_line(&["train.sed=8".into()]).expect_err("a typo");
        assert_eq!(error.message(), "unknown key `train.sed` in `--set train.sed=8`");
        assert_eq!(error.hint_text(), Some("did you mean `train.seed`?"));
    }

    #[test]
    fn a_value_cannot_smuggle_in_other_keys() {
        let layers = layers(&["data.target=1\ntrain.seed=3"]);
        assert!(layers.table.get("train").is_none());
    }

    #[test]
    fn a_number_where_text_is_wanted_is_text() {
        let layers = layers(&["data.target=2020", "data.horizon=28", "data.test='x'"]);
        assert_eq!(layers.table["data"]["target"].as_str(), Some("2020"));
        assert_eq!(layers.table["data"]["horizon"].as_integer(), Some(28));
        assert_eq!(layers.table["data"]["test"].as_str(), Some("x"));
    }

    #[test]
    fn a_list_is_a_list_where_one_name_would_do() {
        let layers = layers(&["data.known_future=[\"promo\", \"price\"]", "data.series=store"]);
        let names = layers.table["data"]["known_future"].as_array().map(Vec::len);
        assert_eq!(names, Some(2));
        assert_eq!(layers.table["data"]["series"].as_str(), Some("store"));
        // Where one name alone will do it is one name.
        let layers = self::layers(&["data.positive=[1]"]);
        assert_eq!(layers.table["data"]["positive"].as_str(), Some("[1]"));
    }

    #[test]
    fn a_key_is_found_on_its_line() {
        let text = "[project]\nname = \"a\"\n\n[train]\nseed = 1\nsed = 2\n";
        assert_eq!(line_of(text, "train.sed"), Some(6));
    }
}
