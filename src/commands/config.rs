//! `mlx config show`: every setting, its value, and where the value comes from.

use toml::{Table, Value};
use url::Url;

use crate::cli::Globals;
use crate::cli::config::ConfigShowArgs;
use crate::error::{Error, Result};
use crate::outcome::config::{ConfigOutcome, Setting};
use crate::settings::known::Known;
use crate::settings::layers::quote;
use crate::settings::{self, Origin, RegistrySettings, RegistryTarget, registry};

pub(crate) fn show(globals: &Globals, args: &ConfigShowArgs) -> Result<ConfigOutcome> {
    let project = settings::find_project(globals, &args.set)?;
    let used = RegistrySettings::new(globals, project.as_ref())?;
    let mut rows = Vec::new();
    if let Some(project) = &project {
        let table = Table::try_from(&project.settings)
            .map_err(|error| Error::bug(format!("settings are no TOML: {error}")))?;
        flatten(&table, "", &mut rows);
        // What is unset has no value in TOML, and is still worth knowing of.
        let unset =
            Known::of_project().leaves().filter(|key| !rows.iter().any(|(known, _)| known == key));
        let unset: Vec<_> = unset.map(|key| (key.to_owned(), None)).collect();
        rows.extend(unset);
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(prefix) = &args.prefix {
        rows.retain(|(key, _)| key.starts_with(prefix.as_str()));
        if rows.is_empty() {
            return Err(Error::user(format!("no key starts with `{prefix}`"))
                .hint("see every key: `mlx config show`"));
        }
    }
    let origin = |key: &str| match &project {
        Some(project) => project.origins.get(key).unwrap_or(&Origin::Default).to_string(),
        None => Origin::Default.to_string(),
    };
    let settings =
        rows.into_iter().map(|(key, value)| Setting { origin: origin(&key), key, value }).collect();
    let is_remote = matches!(used.target, RegistryTarget::Remote(_));
    Ok(ConfigOutcome {
        project: project.map(|project| project.root),
        registry: used.target.to_string(),
        login: is_remote.then(|| used.source.to_string()),
        passed_over: used.passed_over,
        settings,
    })
}

fn flatten(table: &Table, prefix: &str, rows: &mut Vec<(String, Option<String>)>) {
    for (key, value) in table {
        let name = if prefix.is_empty() { quote(key) } else { format!("{prefix}.{}", quote(key)) };
        match value {
            Value::Table(inner) if !inner.is_empty() => flatten(inner, &name, rows),
            Value::Table(_) => {}
            Value::String(text) if name == "registry.url" => {
                rows.push((name, Some(Value::String(without_password(text)).to_string())));
            }
            value => rows.push((name, Some(value.to_string()))),
        }
    }
}

/// An address may hold a password, which nobody needs to see.
fn without_password(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else { return address.to_owned() };
    match registry::take_userinfo(&mut url) {
        Some(_) => url.to_string(),
        None => address.to_owned(),
    }
}
