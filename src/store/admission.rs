//! What an environment's policy says of a move, asked in the transaction that makes it.

use serde_json::Value;

use super::requests;
use super::sql::Transaction;
use super::{Failure, Move, events, policies};
use crate::registry::evidence::{self, Held, Live, Unfit};
use crate::registry::history;
use crate::registry::policy::{self, Revision, Satisfied};
use crate::registry::{
    EnvironmentName, EventKind, Gate, ModelName, Policy, Request, VersionNumber,
};

/// A move that may be made.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    /// The policy that it satisfies, where there is one.
    pub policy: Option<Satisfied>,
    /// The request that was approved, whose evidence it is.
    pub request: Option<Request>,
}

/// May the move be made? Where the environment has no policy for the model, anybody may.
pub(super) async fn admit(
    transaction: &mut Transaction<'_>,
    wanted: &Move,
    live: Option<VersionNumber>,
) -> Result<Admitted, Failure> {
    let Move { model, environment, .. } = wanted;
    let Some((revision, policy)) = held(transaction, environment, model).await? else {
        return Ok(Admitted::default());
    };
    let denied = |why: String| {
        Failure::Denied(format!("{} (revision {}): {why}", revision.named(), revision.revision))
    };
    if matches!(wanted.kind, EventKind::AliasSet | EventKind::AliasRemoved) {
        return Err(denied(match wanted.to {
            Some(to) => format!(
                "an alias call can't satisfy it; use `mlx promote {model}/{to} --to {environment}`"
            ),
            None => format!(
                "an alias call can't empty {environment}; use `mlx promote` or `mlx rollback` to \
                 put another version there"
            ),
        }));
    }
    if !policy.lets(&wanted.actor) {
        return Err(denied(format!(
            "{} is none of its promoters: {}",
            wanted.actor,
            policy.promoters.join(", ")
        )));
    }
    let satisfied = |request: Option<&Request>| Satisfied {
        models: revision.models.clone(),
        revision: revision.revision,
        digest: revision.digest.clone(),
        request: request.map(|request| request.id.clone()),
        approvals: request.map(|request| request.counted(&policy)).unwrap_or_default(),
    };
    let Some(to) = wanted.to else { return Ok(Admitted::default()) };
    if wanted.kind == EventKind::Rollback {
        let log = events::of_environment(transaction, model, environment).await?;
        if !history::environment(&log, environment).is_good(to) {
            return Err(denied(format!(
                "version {to} was rolled back from, and comes back by a promotion: \
                 `mlx promote {model}/{to} --to {environment}`"
            )));
        }
        return Ok(Admitted { policy: Some(satisfied(None)), request: None });
    }
    if policy.approvals == 0 {
        let fit =
            fits(transaction, &policy.gate, environment, (model, to), wanted.evidence.as_ref());
        fit.await?.map_err(|unfit| match unfit {
            Unfit::Wrong(why) => denied(why),
            Unfit::Stale(message) => Failure::Conflict { message, live, winner: None },
        })?;
        return Ok(Admitted { policy: Some(satisfied(None)), request: None });
    }
    let how = format!("`mlx promote {model}/{to} --to {environment} --request`");
    let Some(request) = requests::open(transaction, model, environment, to).await? else {
        return Err(denied(format!(
            "it asks for {} approvals; ask for them: {how}",
            policy.approvals
        )));
    };
    if let Some(message) = stale(transaction, &request, &policy).await? {
        return Err(Failure::Conflict { message, live, winner: None });
    }
    if !request.is_approved(&policy) {
        return Err(denied(format!(
            "{} has {} of {} approvals",
            request.what(),
            request.counted(&policy).len(),
            policy.approvals
        )));
    }
    Ok(Admitted { policy: Some(satisfied(Some(&request))), request: Some(request) })
}

/// The policy that an environment holds for a model.
pub(super) async fn held(
    transaction: &mut Transaction<'_>,
    environment: &EnvironmentName,
    model: &ModelName,
) -> Result<Option<(Revision, Policy)>, Failure> {
    let revisions = policies::current(transaction, environment).await?;
    Ok(policy::of_model(&revisions, model)
        .map(|(revision, policy)| (revision.clone(), policy.clone())))
}

/// Does evidence show that a version satisfies the gate now? A gate without rules asks for none.
pub(super) async fn fits(
    transaction: &mut Transaction<'_>,
    gate: &Gate,
    environment: &EnvironmentName,
    (model, version): (&ModelName, VersionNumber),
    evidence: Option<&Value>,
) -> Result<Result<(), Unfit>, Failure> {
    if gate.is_empty() {
        return Ok(Ok(()));
    }
    let candidate = bytes(transaction, model, version).await?;
    let mut live = Live::new();
    for name in gate.references()? {
        let there = match events::live(transaction, model, &name).await? {
            Some(version) => Some(bytes(transaction, model, version).await?),
            None => None,
        };
        live.insert(name, there);
    }
    Ok(evidence::check(gate, environment, &candidate, &live, evidence))
}

/// A version's package, by the digest of its stored manifest, which names all of its bytes.
pub(super) async fn bytes(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
    version: VersionNumber,
) -> Result<Held, Failure> {
    let digest = sqlx::query_scalar(
        "SELECT sha256 FROM version_files WHERE model = $1 AND version = $2 AND path = $3",
    )
    .bind(model.as_str())
    .bind(version.0 as i64)
    .bind(MANIFEST)
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(Held { version, digest })
}

const MANIFEST: &str = "mlx/manifest.json";

/// Why what a request asks for is not what would happen now; None: it is.
pub(super) async fn stale(
    transaction: &mut Transaction<'_>,
    request: &Request,
    policy: &Policy,
) -> Result<Option<String>, Failure> {
    let Request { model, environment, version, expected, .. } = request;
    let live = events::live(transaction, model, environment).await?;
    if live != *expected {
        return Ok(Some(format!(
            "{} was asked for while {} was live there, and {} is now",
            request.what(),
            history::shown(*expected),
            history::shown(live)
        )));
    }
    if policy.gate.digest() != request.gate_digest {
        return Ok(Some(format!(
            "{} was asked for by another gate than {environment} has now",
            request.what()
        )));
    }
    let held = bytes(transaction, model, *version).await?;
    if held.digest != request.package_digest {
        return Ok(Some(format!("{} was asked for other bytes", request.what())));
    }
    let evidence = request.evidence.as_ref();
    match fits(transaction, &policy.gate, environment, (model, *version), evidence).await? {
        Ok(()) => Ok(None),
        Err(Unfit::Wrong(why) | Unfit::Stale(why)) => {
            Ok(Some(format!("{}: {why}", request.what())))
        }
    }
}
