//! How `mlx promote` and `mlx rollback` look.

use std::fmt::Write as _;

use super::table::Table;
use super::{Style, Text};
use crate::outcome::promote::{Decision, GateReport, PromoteOutcome, RollbackOutcome, Verdict};

impl Text for PromoteOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let plan = &self.plan;
        let (model, environment, to) = (&plan.model, &plan.environment, plan.to);
        if self.already_live {
            let _ = writeln!(page, "{model}/{to} is live in {environment} already; nothing to do");
            return;
        }
        let moved = from(plan.from.map(|version| format!("{model}/{version}")));
        let Some(gate) = &self.gate else {
            let approvers: Vec<&str> = self
                .event
                .iter()
                .flat_map(|event| event.policy.iter().flat_map(|policy| &policy.approvals))
                .map(|approval| approval.actor.as_str())
                .collect();
            let _ = writeln!(
                page,
                "promoted {} to {environment}{moved}, as {} approved",
                style.bold(&format!("{model}/{to}")),
                approvers.join(" and ")
            );
            return;
        };
        if let Some(evaluated) = &self.evaluated {
            if let Some(rows) = evaluated.example_rows {
                let _ = writeln!(
                    page,
                    "checked {model}/{to}: its example of {rows} rows is answered as it was"
                );
            }
            let _ = writeln!(
                page,
                "gate of {environment}, on {} ({} rows)\n",
                evaluated.data, evaluated.rows
            );
        }
        rules(page, style, gate);
        let _ = match gate.decision {
            Decision::Fail => writeln!(
                page,
                "{}: the gate of {environment} refuses {model}/{to}; nothing was moved",
                style.red("no")
            ),
            Decision::Inconclusive => writeln!(
                page,
                "{}: the gate of {environment} can't decide on {model}/{to}; nothing was moved",
                style.yellow("inconclusive")
            ),
            Decision::Pass | Decision::Ungated if self.asks => {
                let needed = self
                    .policy
                    .as_ref()
                    .and_then(|revision| revision.policy.as_ref())
                    .map_or(0, |policy| policy.approvals);
                let people = if needed == 1 { "person has" } else { "people have" };
                let verb = if self.dry_run { "would ask" } else { "asked" };
                let _ = writeln!(
                    page,
                    "{verb} to promote {model}/{to} to {environment}{moved}: {needed} other {people} to approve it"
                );
                match &self.request {
                    Some(request) => writeln!(
                        page,
                        "they type `mlx approve {model}/{to} --to {environment}` (request {})",
                        request.id.get(..8).unwrap_or(&request.id)
                    ),
                    None => Ok(()),
                }
            }
            Decision::Pass | Decision::Ungated if self.dry_run => {
                writeln!(page, "would promote {model}/{to} to {environment}{moved}")
            }
            Decision::Pass | Decision::Ungated => writeln!(
                page,
                "promoted {} to {environment}{moved}",
                style.bold(&format!("{model}/{to}"))
            ),
        };
    }
}

impl Text for RollbackOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let plan = &self.plan;
        let (model, environment, to) = (&plan.model, &plan.environment, plan.to);
        let Some(checked) = &self.checked else {
            let _ = writeln!(page, "{model}/{to} is live in {environment} already; nothing to do");
            return;
        };
        let _ = write!(
            page,
            "checked {model}/{to}: {} files, {} bytes, {}",
            checked.files,
            checked.size_bytes,
            if checked.digests_known { "every digest right" } else { "every size right" }
        );
        let _ = match (&checked.note, checked.example_rows) {
            (Some(note), _) => writeln!(page, "; {note}"),
            (None, Some(rows)) => {
                writeln!(page, "; its example of {rows} rows is answered as it was")
            }
            (None, None) => writeln!(page),
        };
        let moved = from(plan.from.map(|version| format!("{model}/{version}")));
        let _ = if self.dry_run {
            writeln!(page, "would roll {environment} back to {model}/{to}{moved}")
        } else {
            let to = style.bold(&format!("{model}/{to}"));
            writeln!(page, "rolled {environment} back to {to}{moved}")
        };
    }
}

fn rules(page: &mut String, style: Style, gate: &GateReport) {
    if gate.rules.is_empty() {
        return;
    }
    let mut table =
        Table::new(["metric", "rule", "candidate", "against", "verdict", ""]).right([2, 3]);
    for rule in &gate.rules {
        let verdict = match rule.verdict {
            Verdict::Pass => style.green("pass"),
            Verdict::Fail => style.red("fail"),
            Verdict::Skipped => style.dim("skipped"),
            Verdict::Inconclusive => style.yellow("inconclusive"),
        };
        let number =
            |value: Option<f64>| value.map_or_else(|| "–".into(), |value| format!("{value:.6}"));
        table.row([
            rule.metric.clone(),
            rule.rule.clone(),
            number(rule.candidate),
            number(rule.reference),
            verdict,
            rule.why.clone().unwrap_or_default(),
        ]);
    }
    table.write(page, style);
    page.push('\n');
}

fn from(version: Option<String>) -> String {
    version.map_or_else(|| ", where nothing was live".into(), |version| format!(", from {version}"))
}
