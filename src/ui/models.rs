//! How `mlx models …` looks.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use super::table::Table;
use super::{Style, Text, time};
use crate::outcome::models::{
    ModelsDeleteOutcome, ModelsHistoryOutcome, ModelsListOutcome, ModelsPullOutcome,
    ModelsShowOutcome,
};

impl Text for ModelsListOutcome {
    fn text(&self, page: &mut String, style: Style) {
        if self.models.is_empty() {
            let _ = writeln!(page, "no models in {}", self.registry);
            return;
        }
        let mut table = Table::new(["model", "latest", "environments", "updated"]).right([1]);
        for model in &self.models {
            let latest = or_dash(model.latest);
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
                version.environments.join(", "),
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
                event.environment.to_string(),
                event.kind.name().to_owned(),
                or_dash(event.from),
                or_dash(event.to),
                event.verdict().unwrap_or("–").to_owned(),
                event.actor.clone(),
                event.reason.clone().unwrap_or_default(),
            ]);
        }
        table.write(page, style);
    }
}

impl Text for ModelsPullOutcome {
    fn text(&self, page: &mut String, _: Style) {
        let Self { model, version, path, files, size_bytes, .. } = self;
        let _ = writeln!(
            page,
            "pulled {model}/{version} into {}: {files} files, {size_bytes} bytes, every digest checked",
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
