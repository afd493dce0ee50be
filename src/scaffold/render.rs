//! A template's files with the project's values put in. Nothing of a template is executed
//! but minijinja's own expressions, and those within a budget.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};

use super::{Content, Context, ProjectFile, Template};
use crate::error::{Error, Result};

/// Instructions and data that rendering one file may take; ours take a few thousand.
const FUEL: u64 = 10_000_000;

/// The files of the project, in the template's order.
pub(crate) fn render(template: &Template, context: &Context) -> Result<Vec<ProjectFile>> {
    let environment = environment();
    let values = Value::from(Serde(context));
    template
        .files
        .iter()
        .map(|file| {
            let content = if file.rendered {
                let text = std::str::from_utf8(&file.content).map_err(|_| {
                    Error::user(format!("`{}` of the template is not UTF-8 text", file.path))
                })?;
                environment
                    .render_named_str(&file.path, text, &values)
                    .map_err(|error| explain(&file.path, text, &error))?
                    .into_bytes()
            } else {
                file.content.clone()
            };
            Ok(ProjectFile {
                path: file.path.clone(),
                content: Content::Bytes(content),
                executable: file.executable,
                why: file.why.clone(),
                ignored: false,
            })
        })
        .collect()
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // The default escapes by file name, for web pages; these are files of a project.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // A tag alone on its line leaves no line behind.
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()
            .expect("the delimiters are the default ones"),
    );
    environment.set_fuel(Some(FUEL));
    environment.add_filter("toml", toml_value);
    environment.add_filter("toml_key", toml_key);
    environment
}

/// A value as TOML writes it: `"a \"quoted\" text"`, `["a", "b"]`.
fn toml_value(value: &Value) -> Result<String, minijinja::Error> {
    let invalid = |error: String| minijinja::Error::new(ErrorKind::InvalidOperation, error);
    let value = toml::Value::try_from(value).map_err(|error| invalid(error.to_string()))?;
    Ok(value.to_string())
}

/// A name as the left side of `key = value`, quoted where it has to be.
fn toml_key(name: &str) -> String {
    let bare = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if bare { name.to_owned() } else { toml::Value::from(name).to_string() }
}

fn explain(path: &str, text: &str, error: &minijinja::Error) -> Error {
    let why = match error.kind() {
        ErrorKind::OutOfFuel => "it computes too much".to_owned(),
        _ => error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned),
    };
    let place = error.line().map_or(String::new(), |line| {
        let content = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
        let content: String = content.chars().take(80).collect();
        format!(" in line {line}, `{content}`")
    });
    Error::user(format!("cannot render `{path}` of the template: {why}{place}"))
}
