//! `mlx promote`: point an environment at another version, if its gate allows it.

use super::gate_check::{self, GateCheck};
use super::registry_client::{self, Registered};
use crate::api::mlx::MoveRequest;
use crate::error::{Error, Result};
use crate::outcome::promote::{Decision, GateReport, PromoteOutcome};
use crate::registry::{ModelReference, promotion};
use crate::remote::{Remote, VersionRecord};
use crate::settings::promote::PromoteSettings;
use crate::sys::random;
use crate::ui::Ui;

pub(crate) async fn promote(settings: &PromoteSettings, ui: &Ui) -> Result<PromoteOutcome> {
    let remote = registry_client::open(&settings.registry).await?;
    let candidate = registry_client::find(&remote, &settings.model).await?;
    let Registered { model, version } = &candidate;
    if !matches!(settings.model, ModelReference::Version(..)) {
        ui.note(&format!("`{}` means {model}/{version}", settings.model));
    }
    let events = remote.events(model, None).await?;
    let plan = promotion::plan(model, &events, &settings.environment, *version, settings.expect)?;
    let mut outcome = PromoteOutcome {
        already_live: plan.is_done(),
        plan,
        gate: None,
        evaluated: None,
        dry_run: settings.dry_run,
        event: None,
    };
    if outcome.already_live {
        return Ok(outcome);
    }

    let checked = check(settings, &remote, &candidate, &events, ui).await?;
    let decision = checked.report.decision;
    let evidence = checked.evidence;
    outcome.gate = Some(checked.report);
    outcome.evaluated = checked.evaluated;
    if settings.dry_run || !matches!(decision, Decision::Pass | Decision::Ungated) {
        return Ok(outcome);
    }

    let request = MoveRequest {
        operation_id: random::hex_id(16),
        kind: outcome.plan.kind,
        environment: settings.environment.clone(),
        to: *version,
        expect: outcome.plan.from,
        reason: settings.reason.clone(),
        evidence,
        actor: Some(settings.registry.actor.clone()),
    };
    outcome.event = Some(remote.move_environment(model, &request).await?);
    Ok(outcome)
}

/// What the gate says; an environment without one is open, and that is said aloud.
async fn check(
    settings: &PromoteSettings,
    remote: &Remote,
    candidate: &Registered,
    events: &[crate::registry::Event],
    ui: &Ui,
) -> Result<GateCheck> {
    let environment = &settings.environment;
    let (Some(project), Some(gate)) = (&settings.project, settings.gate()?) else {
        ui.warn(&match &settings.project {
            Some(_) => {
                format!("ungated: mlx.toml has no [gates.{environment}], so nothing is checked")
            }
            None => "ungated: no mlx.toml is here, so nothing is checked".to_owned(),
        });
        let report = GateReport { decision: Decision::Ungated, rules: vec![] };
        return Ok(GateCheck { report, evaluated: None, evidence: None });
    };
    // A gate speaks of its own project's data.
    let record = remote.version(&candidate.model, candidate.version).await?;
    let theirs = record.tags.get(VersionRecord::PROJECT);
    if let (Some(theirs), Some(ours)) = (theirs, &project.settings.project.id)
        && theirs != ours
    {
        return Err(Error::user(format!(
            "{}/{} comes from another project than the one in {}, whose gates and test data are not its own",
            candidate.model,
            candidate.version,
            project.root.display()
        ))
        .hint("promote it from its own project: `mlx -C DIR promote …`"));
    }
    gate_check::run(project, environment, gate, remote, candidate, events, ui).await
}
