//! How `mlx env …` looks.

use std::fmt::Write as _;

use super::models::or_dash;
use super::table::Table;
use super::{Style, Text, approve, time};
use crate::outcome::environments::{
    EnvListOutcome, EnvSetOutcome, EnvShowOutcome, Policy, Revision,
};

impl Text for EnvListOutcome {
    fn text(&self, page: &mut String, style: Style) {
        if self.environments.is_empty() {
            let _ = writeln!(
                page,
                "nothing is live in {}, and no environment has a policy",
                self.registry
            );
            return;
        }
        let header = [
            "environment",
            "models live",
            "policy for",
            "gate",
            "approvals",
            "promoters",
            "waiting",
        ];
        let mut table = Table::new(header).right([1, 4, 6]);
        for summary in &self.environments {
            let first = [summary.environment.to_string(), summary.live.to_string()];
            let waiting = summary.open_requests.to_string();
            let mut rows: Vec<[String; 4]> = summary.policies.iter().filter_map(columns).collect();
            if rows.is_empty() {
                rows.push(["–".into(), "–".into(), "–".into(), "anybody".into()]);
            }
            for (at, row) in rows.into_iter().enumerate() {
                let cells = if at == 0 { first.clone() } else { Default::default() };
                let waiting = if at == 0 { waiting.clone() } else { String::new() };
                table.row(cells.into_iter().chain(row).chain([waiting]));
            }
        }
        table.write(page, style);
    }
}

impl Text for EnvShowOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let _ = writeln!(page, "{}", style.bold(self.environment.as_str()));
        let models = if self.live == 1 { "model" } else { "models" };
        let _ = writeln!(page, "live       {} {models}", self.live);
        if self.policies.is_empty() {
            page.push_str("policy     none: whoever may write to the registry may move it\n");
        }
        for revision in &self.policies {
            page.push('\n');
            shown(page, style, revision);
        }
        if !self.requests.is_empty() {
            page.push_str("\nwaiting for approval\n");
            approve::requests(page, style, &self.requests);
        }
        if self.revisions.len() > self.policies.len() {
            page.push_str("\nrevisions\n");
            let header =
                ["when", "for", "revision", "gate", "approvals", "promoters", "who", "why"];
            let mut table = Table::new(header).right([2, 4]);
            for revision in &self.revisions {
                let [models, gate, approvals, promoters] = columns(revision).unwrap_or_else(|| {
                    [revision.models.to_string(), "removed".into(), "–".into(), "–".into()]
                });
                table.row([
                    time(revision.set_ms),
                    models,
                    revision.revision.to_string(),
                    gate,
                    approvals,
                    promoters,
                    revision.actor.clone(),
                    revision.reason.clone().unwrap_or_default(),
                ]);
            }
            table.write(page, style);
        }
    }
}

impl Text for EnvSetOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let named = self.revision.named();
        if self.unchanged {
            let _ = writeln!(page, "{named} says so already; nothing to do");
            return;
        }
        match &self.revision.policy {
            None => {
                let _ = writeln!(page, "removed {named}");
            }
            Some(_) => {
                let _ = writeln!(page, "{named} is set\n");
                shown(page, style, &self.revision);
            }
        }
    }
}

/// One policy, in full.
fn shown(page: &mut String, style: Style, revision: &Revision) {
    let Some(policy) = &revision.policy else { return };
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(page, "{name:<10} {value}");
    };
    line("models", if revision.models.is_all() { "all" } else { revision.models.as_str() });
    line("approvals", &policy.approvals.to_string());
    line("promoters", &promoters(policy));
    let why = revision.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    let set = format!(
        "{} by {} (revision {}){why}",
        time(revision.set_ms),
        revision.actor,
        revision.revision
    );
    line("set", &set);
    if policy.gate.is_empty() {
        line("gate", "none; a project's own is asked");
        return;
    }
    line("gate", &policy.gate.digest()[..12]);
    let mut table = Table::new(["  metric", "min", "max", "no worse than", "by"]).right([1, 2, 4]);
    for (metric, rule) in &policy.gate.0 {
        table.row([
            format!("  {metric}"),
            or_dash(rule.min),
            or_dash(rule.max),
            or_dash(rule.no_worse_than.as_ref()),
            or_dash(rule.by),
        ]);
    }
    table.write(page, style);
}

/// For which models, the metrics of the gate, approvals and promoters; `None` of a removal.
fn columns(revision: &Revision) -> Option<[String; 4]> {
    let policy = revision.policy.as_ref()?;
    let metrics: Vec<&str> = policy.gate.0.keys().map(String::as_str).collect();
    let gate = if metrics.is_empty() { "–".to_owned() } else { metrics.join(", ") };
    Some([revision.models.to_string(), gate, policy.approvals.to_string(), promoters(policy)])
}

fn promoters(policy: &Policy) -> String {
    if policy.promoters.is_empty() { "anybody".into() } else { policy.promoters.join(", ") }
}
