//! `mlx promote`: point an environment at another version, if its gate allows it.

use super::gate_check::{self, GateCheck};
use super::registry_client::{self, Registered};
use crate::api::mlx::MoveRequest;
use crate::error::{Error, Result};
use crate::outcome::promote::{Decision, GateReport, PromoteOutcome};
use crate::registry::{ModelReference, gate, promotion};
use crate::remote::{Remote, VersionRecord};
use crate::settings::Project;
use crate::settings::promote::PromoteSettings;
use crate::sys::random;
use crate::ui::Ui;

pub(crate) async fn promote(settings: &PromoteSettings, ui: &Ui) -> Result<PromoteOutcome> {
    let remote = registry_client::open_telling(&settings.registry, ui).await?;
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
    if settings.ungated {
        return Ok(ungated("`--ungated` is given", ui));
    }
    let project = own_project(settings, remote, candidate).await?;
    let Some(project) = project else {
        return Ok(ungated("no mlx.toml is here", ui));
    };
    if let Some(gate) = settings.gate()? {
        return gate_check::run(project, environment, gate, remote, candidate, events, ui).await;
    }
    let gated = project.settings.gates.keys().map(String::as_str);
    match gate::meant(environment, gated) {
        None => Ok(ungated(&format!("mlx.toml has no [gates.{environment}]"), ui)),
        Some(meant) => Err(Error::user(format!(
            "mlx.toml has no [gates.{environment}], so nothing would be checked; it has [gates.{meant}]"
        ))
        .hint(format!(
            "did you mean `--to {meant}`? where {environment} is another environment, give it a gate, or `--ungated`"
        ))),
    }
}

/// The project here, where it may speak of the candidate; gates and test data are a project's own.
async fn own_project<'a>(
    settings: &'a PromoteSettings,
    remote: &Remote,
    candidate: &Registered,
) -> Result<Option<&'a Project>> {
    let Registered { model, version } = candidate;
    let project = settings.project.as_ref();
    let ours = project.and_then(|project| project.settings.project.id.as_ref());
    let mut theirs = remote.version(model, *version).await?.tags.remove(VersionRecord::PROJECT);
    if theirs.is_none() {
        // A version that another tool registered is still one of its model.
        theirs = remote.model(model).await?.tags.remove(VersionRecord::PROJECT);
    }
    if theirs.is_none() || theirs.as_ref() == ours {
        return Ok(project);
    }
    let here = match project {
        Some(project) => {
            format!("comes from another project than the one in {}", project.root.display())
        }
        None => "comes from a project, and no mlx.toml is here".to_owned(),
    };
    Err(Error::user(format!("{model}/{version} {here}: its gates are not at hand")).hint(
        "promote it from its own project: `mlx -C DIR promote …`; to ask no gate: `--ungated`",
    ))
}

fn ungated(why: &str, ui: &Ui) -> GateCheck {
    ui.warn(&format!("ungated: {why}, so nothing is checked"));
    let report = GateReport { decision: Decision::Ungated, rules: vec![] };
    GateCheck { report, evaluated: None, evidence: None }
}
