//! `mlx promote`: point an environment at another version, if its gate allows it.

use super::gate_check::{self, GateCheck, Gates};
use super::registry_client::{self, Registered};
use crate::api::mlx::{AskRequest, MoveRequest};
use crate::error::{Error, ExitCode, Result};
use crate::outcome::promote::{Decision, GateReport, PromoteOutcome};
use crate::registry::promotion::{self, Plan};
use crate::registry::{Event, Gate, ModelReference, Request, gate};
use crate::remote::{Remote, RequestFilter, VersionRecord};
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
    let policy = remote.policy(model, &settings.environment).await?;
    let mut outcome = PromoteOutcome {
        already_live: plan.is_done(),
        plan,
        gate: None,
        evaluated: None,
        dry_run: settings.dry_run,
        policy,
        asks: settings.request,
        request: None,
        event: None,
    };
    if outcome.already_live {
        return Ok(outcome);
    }
    if let Some(approved) = approved(settings, &remote, &outcome).await? {
        ui.note(&format!("request {} is approved", approved.id));
        outcome.event = Some(make(settings, &remote, &outcome, None).await?);
        return Ok(outcome);
    }

    let required = outcome.policy.as_ref().and_then(|revision| revision.policy.as_ref());
    let required = required.map(|policy| &policy.gate).filter(|gate| !gate.is_empty());
    let checked = check(settings, &remote, &candidate, required, &events, ui).await?;
    let decision = checked.report.decision;
    let evidence = checked.evidence;
    outcome.gate = Some(checked.report);
    outcome.evaluated = checked.evaluated;
    if settings.dry_run || !matches!(decision, Decision::Pass | Decision::Ungated) {
        return Ok(outcome);
    }
    if settings.request {
        let request = AskRequest {
            operation_id: random::hex_id(16),
            environment: settings.environment.clone(),
            version: *version,
            expect: outcome.plan.from,
            evidence,
            reason: settings.reason.clone(),
            actor: Some(settings.registry.actor.clone()),
        };
        outcome.request = Some(remote.ask(model, &request).await?.request);
    } else {
        outcome.event = Some(make(settings, &remote, &outcome, evidence).await?);
    }
    Ok(outcome)
}

async fn make(
    settings: &PromoteSettings,
    remote: &Remote,
    outcome: &PromoteOutcome,
    evidence: Option<serde_json::Value>,
) -> Result<Event> {
    let plan = &outcome.plan;
    let request = MoveRequest {
        operation_id: random::hex_id(16),
        kind: plan.kind,
        environment: plan.environment.clone(),
        to: plan.to,
        expect: plan.from,
        reason: settings.reason.clone(),
        evidence,
        actor: Some(settings.registry.actor.clone()),
    };
    remote.move_environment(&plan.model, &request).await
}

/// The request that was approved, where the policy asks for approvals and nobody is to be asked anew.
///
/// What can't be satisfied by promoting is said before anything is evaluated.
async fn approved(
    settings: &PromoteSettings,
    remote: &Remote,
    outcome: &PromoteOutcome,
) -> Result<Option<Request>> {
    let Plan { model, environment, to, .. } = &outcome.plan;
    let held = outcome.policy.as_ref();
    let Some((revision, policy)) =
        held.and_then(|revision| Some((revision, revision.policy.as_ref()?)))
    else {
        if settings.request {
            return Err(Error::user(format!(
                "{environment} has no policy, so nobody has to approve"
            ))
            .hint(format!("promote it: `mlx promote {model}/{to} --to {environment}`")));
        }
        return Ok(None);
    };
    let not_allowed = |why: String| Error::new(ExitCode::NotAllowed, why);
    if settings.ungated && !policy.gate.is_empty() {
        return Err(not_allowed(format!(
            "{} has a gate, and `--ungated` can't go round it",
            revision.named()
        ))
        .hint(format!("see what it asks for: `mlx env show {environment}`")));
    }
    match (policy.approvals, settings.request) {
        (0, true) => {
            return Err(Error::user(format!("{} asks for no approvals", revision.named()))
                .hint(format!("promote it: `mlx promote {model}/{to} --to {environment}`")));
        }
        (0, false) | (_, true) => return Ok(None),
        (_, false) => {}
    }
    let filter = RequestFilter {
        model: Some(model.clone()),
        environment: Some(environment.clone()),
        ..RequestFilter::open()
    };
    let found = remote.requests(&filter).await?.into_iter().find(|open| open.version == *to);
    let Some(request) = found else {
        return Err(not_allowed(format!(
            "{} asks for approvals ({}), and none were asked for",
            revision.named(),
            policy.approvals
        ))
        .hint(format!("ask for them: `mlx promote {model}/{to} --to {environment} --request`")));
    };
    let counted = request.counted(policy).len();
    if !request.is_approved(policy) {
        return Err(not_allowed(format!(
            "{} has {counted} of {} approvals",
            request.what(),
            policy.approvals
        ))
        .hint(format!("others type `mlx approve {model}/{to} --to {environment}`; the last of them promotes it")));
    }
    Ok((!settings.dry_run).then_some(request))
}

/// What the gates say: that of the environment's policy, and the project's own. An environment
/// without one is open, and that is said aloud.
async fn check(
    settings: &PromoteSettings,
    remote: &Remote,
    candidate: &Registered,
    required: Option<&Gate>,
    events: &[Event],
    ui: &Ui,
) -> Result<GateCheck> {
    let environment = &settings.environment;
    if settings.ungated {
        return Ok(ungated("`--ungated` is given", ui));
    }
    let project = own_project(settings, remote, candidate, required.is_some()).await?;
    let Some(project) = project else {
        if required.is_some() {
            return Err(Error::user(format!(
                "the gate of {environment} is checked on a project's test rows, and no mlx.toml is here"
            ))
            .hint("promote it from its project: `mlx -C DIR promote …`"));
        }
        return Ok(ungated("no mlx.toml is here", ui));
    };
    let own = settings.gate()?;
    if required.is_some() || own.is_some() {
        let gates = Gates { required, own };
        return gate_check::run(project, environment, gates, remote, candidate, events, ui).await;
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
    must: bool,
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
    let from_its_own = "promote it from its own project: `mlx -C DIR promote …`";
    let error = Error::user(format!("{model}/{version} {here}: its gates are not at hand"));
    Err(if must {
        error.hint(from_its_own)
    } else {
        error.hint(format!("{from_its_own}; to ask no gate: `--ungated`"))
    })
}

fn ungated(why: &str, ui: &Ui) -> GateCheck {
    ui.warn(&format!("ungated: {why}, so nothing is checked"));
    let report = GateReport { decision: Decision::Ungated, rules: vec![] };
    GateCheck { report, evaluated: None, evidence: None }
}
