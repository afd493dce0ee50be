//! How `mlx models …` looks.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use super::table::Table;
use super::{Style, Text, time};
use crate::outcome::models::{
    Event, ModelsDeleteOutcome, ModelsHistoryOutcome, ModelsListOutcome, ModelsPullOutcome,
    ModelsShowOutcome, ModelsStandingOutcome, ModelsYankOutcome, ShownVersion,
};

impl Text for ModelsListOutcome {
    fn text(&self, page: &mut String, style: Style) {
        if self.models.is_empty() {
            let _ = writeln!(page, "no models in {}", self.registry);
            return;
        }
        let mut table = Table::new(["model", "latest", "environments", "updated"]).right([1]);
        for model in &self.models {
            let mut latest = or_dash(model.latest);
            if model.latest_yanked {
                latest.push_str(" (yanked)");
            }
            let environments = environments(&model.environments);
            table.row([model.name.clone(), latest, environments, time(model.updated_ms)]);
        }
        table.write(page, style);
    }
}

impl Text for ModelsShowOutcome {
    fn text(&self, page: &mut String, style: Style) {
        if let (Some(detail), [version]) = (&self.detail, self.versions.as_slice()) {
            let _ =
                writeln!(page, "{}", style.bold(&format!("{}/{}", self.model, version.version)));
            let mut line = |name: &str, value: &str| {
                let _ = writeln!(page, "{name:<9} {value}");
            };
            line("digest", version.digest.as_deref().unwrap_or("– (not an mlx package)"));
            line("run", version.run.as_deref().unwrap_or("–"));
            line("made", &format!("{} by {}", time(version.created_ms), version.actor));
            let live = match version.environments.as_slice() {
                [] => "nowhere".to_owned(),
                names => names.join(", "),
            };
            line("live in", &live);
            if let Some(reason) = &version.yanked {
                line("yanked", reason);
            }
            if !detail.metrics.is_empty() {
                page.push('\n');
                let mut table = Table::new(["metric", "value"]).right([1]);
                for (name, value) in &detail.metrics {
                    table.row([name.clone(), format!("{value:.6}")]);
                }
                table.write(page, style);
            }
            page.push('\n');
            let mut table = Table::new(["file", "bytes", "sha256"]).right([1]);
            for file in &detail.files {
                let digest = short(&file.sha256);
                table.row([file.path.as_str(), &file.size_bytes.to_string(), digest]);
            }
            table.write(page, style);
            return;
        }
        let _ = writeln!(page, "{}", style.bold(&self.model));
        let _ = writeln!(page, "project   {}", self.project_id.as_deref().unwrap_or("–"));
        let _ = writeln!(page, "live      {}\n", environments(&self.environments));
        if self.versions.is_empty() {
            page.push_str("no versions yet\n");
            return;
        }
        let mut table =
            Table::new(["version", "digest", "run", "made", "by", "live in"]).right([0]);
        for version in &self.versions {
            table.row([
                version.version.to_string(),
                version.digest.as_deref().map_or("–", short).to_owned(),
                version.run.as_deref().map_or("–", |run| run.get(..8).unwrap_or(run)).to_owned(),
                time(version.created_ms),
                version.actor.clone(),
                state(version),
            ]);
        }
        table.write(page, style);
    }
}

impl Text for ModelsHistoryOutcome {
    fn text(&self, page: &mut String, style: Style) {
        if self.events.is_empty() {
            let _ = write!(page, "nothing of `{}` has been promoted", self.model);
            if let (Some(environment), [_, ..]) = (&self.environment, self.elsewhere.as_slice()) {
                let names: Vec<String> = self.elsewhere.iter().map(ToString::to_string).collect();
                let _ = write!(page, " to {environment}, only to {}", names.join(", "));
            }
            page.push('\n');
            return;
        }
        let header = ["when", "environment", "what", "from", "to", "gate", "who", "why"];
        let mut table = Table::new(header).right([3, 4]);
        for event in &self.events {
            table.row([
                time(event.timestamp_ms),
                or_dash(event.environment.as_ref()),
                event.kind.name().to_owned(),
                or_dash(event.from),
                or_dash(event.to),
                verdict(event),
                event.actor.clone(),
                event.reason.clone().unwrap_or_default(),
            ]);
        }
        table.write(page, style);
        if self.environment.is_none() {
            return;
        }
        for standing in &self.standings {
            let live = standing.live.map_or("nothing".into(), |version| version.to_string());
            let back = match standing.last_known_good {
                Some(version) => format!("a rollback goes to {version}"),
                None => "there is nothing to roll back to".into(),
            };
            let _ = writeln!(page, "\n{} has {live} live; {back}", standing.environment);
        }
    }
}

impl Text for ModelsStandingOutcome {
    fn text(&self, page: &mut String, style: Style) {
        if self.standings.is_empty() {
            let place = self
                .environment
                .as_ref()
                .map_or_else(|| "anywhere".to_owned(), |environment| format!("in {environment}"));
            let when = time(self.at_ms);
            let _ = writeln!(page, "nothing of `{}` had been live {place} at {when}", self.model);
            return;
        }
        let _ = writeln!(page, "{} at {}\n", style.bold(self.model.as_str()), time(self.at_ms));
        let header = ["environment", "live", "since", "by", "who", "why", "last known good"];
        let mut table = Table::new(header).right([1, 6]);
        for standing in &self.standings {
            table.row([
                standing.environment.to_string(),
                or_dash(standing.live),
                time(standing.since_ms),
                standing.kind.name().to_owned(),
                standing.actor.clone(),
                standing.reason.clone().unwrap_or_default(),
                or_dash(standing.last_known_good),
            ]);
        }
        table.write(page, style);
    }
}

impl Text for ModelsYankOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let what = style.bold(&format!("{}/{}", self.model, self.version));
        let _ = match (self.yanked, &self.event) {
            (true, Some(_)) => writeln!(
                page,
                "yanked {what}: no environment can be moved to it until `mlx models yank {}/{} --undo`",
                self.model, self.version
            ),
            (false, Some(_)) => writeln!(page, "{what} is not yanked anymore"),
            (true, None) => writeln!(page, "{what} is yanked already; nothing to do"),
            (false, None) => writeln!(page, "{what} is not yanked; nothing to do"),
        };
    }
}

impl Text for ModelsPullOutcome {
    fn text(&self, page: &mut String, _: Style) {
        let Self { model, version, path, files, size_bytes, .. } = self;
        let checked = if self.digests_checked {
            "every digest checked"
        } else {
            "only sizes checked: the registry keeps no digests of what others registered"
        };
        let _ = writeln!(
            page,
            "pulled {model}/{version} into {}: {files} files, {size_bytes} bytes, {checked}",
            path.display()
        );
    }
}

impl Text for ModelsDeleteOutcome {
    fn text(&self, page: &mut String, _: Style) {
        let verb = if self.dry_run { "would delete" } else { "deleted" };
        let versions: Vec<_> = self.versions.iter().map(ToString::to_string).collect();
        let _ = match (self.all, versions.as_slice()) {
            (false, _) => writeln!(page, "{verb} {}/{}", self.model, versions.join(", ")),
            (true, []) => writeln!(page, "{verb} {}, which has no versions", self.model),
            (true, _) => {
                writeln!(page, "{verb} {} with its versions {}", self.model, versions.join(", "))
            }
        };
    }
}

/// What the gate said, and who approved.
fn verdict(event: &Event) -> String {
    let verdict = event.verdict().unwrap_or("–");
    let approvals = event.policy.as_ref().map_or(&[][..], |policy| &policy.approvals);
    if approvals.is_empty() {
        return verdict.to_owned();
    }
    let people: Vec<&str> = approvals.iter().map(|approval| approval.actor.as_str()).collect();
    format!("{verdict}, approved by {}", people.join(", "))
}

/// Where a version is live, and whether it is yanked.
fn state(version: &ShownVersion) -> String {
    let mut state = version.environments.join(", ");
    if version.yanked.is_some() {
        if !state.is_empty() {
            state.push_str(", ");
        }
        state.push_str("(yanked)");
    }
    state
}

pub(super) fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "–".into(), |value| value.to_string())
}

fn environments(live: &BTreeMap<String, impl Display>) -> String {
    if live.is_empty() {
        return "–".into();
    }
    let each: Vec<_> = live.iter().map(|(name, version)| format!("{name} {version}")).collect();
    each.join(", ")
}

/// Enough of a digest to tell it from others.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
