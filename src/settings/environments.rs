//! What `mlx env` was asked to do.

use std::path::Path;

use toml::Table;

use super::promote::reason;
use super::{Project, RegistrySettings, find_project, typed, working_folder};
use crate::cli::Globals;
use crate::cli::environments::{EnvSetArgs, EnvUnsetArgs};
use crate::error::{Context, Error, Result, closest};
use crate::registry::{EnvironmentName, Gate, ModelPattern, Policy};
use crate::sys::files;

/// Where a policy belongs, and how it is to change.
#[derive(Clone, Debug)]
pub(crate) struct EnvSetSettings {
    pub environment: EnvironmentName,
    pub models: ModelPattern,
    pub change: Change,
    pub reason: Option<String>,
    pub registry: RegistrySettings,
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Each part that is given replaces what there is.
    Set {
        gate: Option<Gate>,
        approvals: Option<u32>,
        promoters: Option<Vec<String>>,
    },
    Remove,
}

impl Change {
    /// The policy after the change; none: it is removed.
    pub(crate) fn of(&self, before: Option<&Policy>) -> Option<Policy> {
        let Self::Set { gate, approvals, promoters } = self else { return None };
        let before = before.cloned().unwrap_or_default();
        Some(Policy {
            gate: gate.clone().unwrap_or(before.gate),
            approvals: approvals.unwrap_or(before.approvals),
            promoters: promoters.clone().unwrap_or(before.promoters),
        })
    }
}

impl EnvSetSettings {
    pub(crate) fn set(globals: &Globals, args: &EnvSetArgs) -> Result<Self> {
        let environment: EnvironmentName = typed(&args.environment)?;
        let gate = match &args.gate {
            Some(file) => Some(gate(&working_folder(globals)?.join(file), &environment)?),
            None => args.no_gate.then(Gate::default),
        };
        let promoters =
            (args.anybody || !args.promoters.is_empty()).then(|| args.promoters.clone());
        let change = Change::Set { gate, approvals: args.approvals, promoters };
        Self::new(globals, environment, &args.models, change, args.reason.as_deref())
    }

    pub(crate) fn unset(globals: &Globals, args: &EnvUnsetArgs) -> Result<Self> {
        let environment = typed(&args.environment)?;
        Self::new(globals, environment, &args.models, Change::Remove, args.reason.as_deref())
    }

    fn new(
        globals: &Globals,
        environment: EnvironmentName,
        models: &str,
        change: Change,
        why: Option<&str>,
    ) -> Result<Self> {
        let project = find_project(globals, &[])?;
        Ok(Self {
            environment,
            models: typed(models)?,
            change,
            reason: reason(why)?,
            registry: RegistrySettings::new(globals, project.as_ref())?,
        })
    }
}

/// The rules of a file: its own, or `[gates.ENV]` of an mlx.toml.
fn gate(path: &Path, environment: &EnvironmentName) -> Result<Gate> {
    let shown = path.display();
    let table: Table = toml::from_str(&files::read_text(path)?)
        .map_err(|error| Error::user(format!("{shown}: {}", error.to_string().trim_end())))?;
    let named = format!("gates.{environment}");
    let rules = match (table.get("gates"), table.contains_key("project")) {
        (None, false) => table,
        (gates, _) => {
            let gates = gates.and_then(toml::Value::as_table);
            let found = gates.and_then(|gates| gates.get(environment.as_str())?.as_table());
            found.cloned().ok_or_else(|| {
                let error = Error::user(format!("{shown} has no [{named}]"));
                let known = gates.into_iter().flat_map(Table::keys).map(String::as_str);
                match closest(environment.as_str(), known) {
                    Some(near) => error.hint(format!("it has [gates.{near}]")),
                    None => error.hint(format!(
                        "give it one in {}, or name a file that holds rules alone, such as `auc = {{ min = 0.8 }}`",
                        Project::FILE
                    )),
                }
            })?
        }
    };
    let gate: Gate = rules.try_into().map_err(|error: toml::de::Error| {
        let said = error.to_string();
        Error::user(format!("{shown}: {}", said.trim_end().replace('\n', " ")))
            .hint("a rule is a metric and what it must satisfy: `auc = { min = 0.8 }`")
    })?;
    if gate.is_empty() {
        return Err(Error::user(format!("{shown} holds no rules"))
            .hint("write some, such as `auc = { min = 0.8 }`; to ask for none: `--no-gate`"));
    }
    gate.check(&named).context(|| shown)?;
    Ok(gate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_stays() {
        let before = Policy { approvals: 2, promoters: vec!["ada".into()], ..Policy::default() };
        let set = |approvals, promoters| Change::Set { gate: None, approvals, promoters };
        let after = set(Some(0), None).of(Some(&before));
        assert_eq!(
            after.map(|policy| (policy.approvals, policy.promoters)),
            Some((0, vec!["ada".into()]))
        );
        let after = set(None, Some(vec![])).of(Some(&before));
        assert_eq!(after.map(|policy| (policy.approvals, policy.promoters)), Some((2, vec![])));
        assert_eq!(set(Some(1), None).of(None).map(|policy| policy.approvals), Some(1));
        assert_eq!(Change::Remove.of(Some(&before)), None);
    }
}
